import { deadLetterView } from '../../api/views.ts';
import { FreshetError } from '../../domain/errors.ts';
import type { StoredDeadLetter } from '../../ports/dead-letters.ts';
import type { Context, GlobalOptions } from '../context.ts';
import { examples, handle, INDEX_OPTION, wholeNumber, type IndexOption, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';
import { formatAge, plural, table, truncate } from '../format.ts';

interface LetterOptions extends GlobalOptions, IndexOption {}

interface ListOptions extends LetterOptions {
  readonly limit: number;
  readonly after?: string;
}

async function list(context: Context<ListOptions>): Promise<number> {
  const { deps, options, screen } = context;
  return context.withServices(async (services) => {
    const letters = await services.admin.deadLetters.list(options.limit + 1, options.after, options.index);
    const page = letters.slice(0, options.limit);
    const last = letters.length > options.limit ? page.at(-1)?.id : undefined;
    if (context.json) {
      screen.printJson({ data: page.map(deadLetterView), has_more: last !== undefined, after: last ?? null });
    } else if (page.length === 0) {
      screen.print(screen.out.green('No dead letters.'));
    } else {
      const { out } = screen;
      const heading = ['ID', 'FAILED', 'TABLE', 'STAGE', 'CODE', 'TRIES'].map((text) => ({
        plain: text,
        shown: out.dim(text),
      }));
      const cell = (plain: string, paint: (text: string) => string = (text) => text) => ({
        plain,
        shown: paint(plain),
      });
      const rows = page.map((letter) => [
        cell(letter.id),
        cell(formatAge(letter.failedAt, deps.now())),
        cell(truncate(letter.table ?? letter.source, 40)),
        cell(letter.stage),
        cell(letter.code, out.red),
        cell(String(letter.attempts)),
      ]);
      screen.print(table([heading, ...rows]));
      screen.note(
        screen.err.dim(
          last === undefined
            ? 'freshet dlq show <id> says more; freshet dlq retry all tries them again.'
            : `More: --after ${last}`,
        ),
      );
    }
    return EXIT.ok;
  });
}

async function show(context: Context<LetterOptions>, id: string): Promise<number> {
  const { deps, options, screen } = context;
  return context.withServices(async (services) => {
    const letter = await services.admin.deadLetters.get(id, options.index);
    if (letter === undefined) throw noLetter(id);
    if (context.json) screen.printJson(deadLetterView(letter));
    else screen.print(letterText(letter, deps.now(), screen.out.dim));
    return EXIT.ok;
  });
}

const noLetter = (id: string): FreshetError =>
  new FreshetError(
    'NOT_FOUND',
    'poison',
    `There is no dead letter "${id}". It may have been retried meanwhile: see freshet dlq list.`,
  );

/** Coordinates and codes; a letter holds no text, and its row's key is never printed. */
function letterText(letter: StoredDeadLetter, now: number, dim: (text: string) => string): string {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['id', letter.id],
    ['what failed', `${letter.stage}: ${letter.code}`],
    ['', letter.message],
    ['source', letter.source],
    ['table', letter.table],
    ['document', letter.document],
    ['position', `${letter.position.partition} ${letter.position.offset}`],
    ['version', letter.version?.toString()],
    ['committed', letter.committedAt === undefined ? undefined : new Date(letter.committedAt).toISOString()],
    ['failed', `${new Date(letter.failedAt).toISOString()} (${formatAge(letter.failedAt, now)})`],
    ['attempts', String(letter.attempts)],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${dim(name.padEnd(12))} ${value}`])).join('\n');
}

async function retry(context: Context<LetterOptions>, id: string): Promise<number> {
  const { deps, options, screen } = context;
  return context.withServices(async (services) => {
    const { retried, failed } = await services.admin.deadLetters.retry(id, deps.signal, options.index);
    if (context.json) screen.printJson({ retried, failed });
    else
      screen.print(
        `${plural(retried, 'dead letter')} retried${failed === 0 ? '.' : `, ${screen.out.red(`${failed} failed again`)}.`}`,
      );
    return failed === 0 ? EXIT.ok : EXIT.problem;
  });
}

export const registerDlq: Register = (program, deps, outcome) => {
  const dlq = program.command('dlq').description('changes that could not be processed ("dead letters")');
  dlq.addHelpText(
    'after',
    '\nA dead letter holds coordinates and codes, never text. A retry reads the row again by its key; where rows cannot be ' +
      'looked up, the record by its place in the log.',
  );
  examples(
    dlq,
    ['freshet dlq list', 'newest state of all of them'],
    ['freshet dlq show 42', 'what failed, where and why'],
    ['freshet dlq retry all', 'after the cause is mended'],
  );

  const listCommand = dlq
    .command('list')
    .description('list them')
    .option('-n, --limit <count>', 'how many', wholeNumber(1, 999), 50)
    .option('--after <id>', 'those after this one')
    .option(...INDEX_OPTION);
  examples(
    listCommand,
    ['freshet dlq list -n 10', 'ten of them'],
    ['freshet dlq list --json | jq .data[].code', 'their codes'],
  );
  handle<ListOptions>(listCommand, deps, outcome, list);

  const showCommand = dlq
    .command('show')
    .description('show one')
    .argument('<id>', 'as listed')
    .option(...INDEX_OPTION);
  examples(
    showCommand,
    ['freshet dlq show 42', 'what failed, where and why'],
    ['freshet dlq show 42 --json', 'the same for a script'],
  );
  handle<LetterOptions, [string]>(showCommand, deps, outcome, show);

  const retryCommand = dlq
    .command('retry')
    .description('read the row, or its record, again and process it')
    .argument('<id>', 'as listed, or "all"')
    .option(...INDEX_OPTION);
  examples(
    retryCommand,
    ['freshet dlq retry 42', 'one'],
    ['freshet dlq retry all', 'every one; exits 1 if any fails again'],
  );
  handle<LetterOptions, [string]>(retryCommand, deps, outcome, retry);
};
