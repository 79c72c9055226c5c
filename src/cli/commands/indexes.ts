import { InvalidArgumentError } from 'commander';
import { indexesView } from '../../api/index-views.ts';
import type { IndexesReport, IndexReport } from '../../services/blue-green/service.ts';
import type { Context, GlobalOptions } from '../context.ts';
import type { CliServices } from '../deps.ts';
import { examples, handle, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';
import { formatCount, formatMs, plural, table } from '../format.ts';
import type { Screen } from '../screen.ts';

interface ForceOptions extends GlobalOptions {
  readonly force?: boolean;
}

/** Does something about the indexes and shows how they are then. */
function showing<Options extends GlobalOptions, Args extends readonly unknown[]>(
  work: (services: CliServices, context: Context<Options>, ...args: Args) => Promise<IndexesReport>,
  say: (report: IndexesReport) => string | undefined = () => undefined,
) {
  return (context: Context<Options>, ...args: Args): Promise<number> =>
    context.withServices(async (services) => {
      const { screen } = context;
      const report = await work(services, context, ...args);
      if (context.json) screen.printJson(indexesView(report));
      else {
        const line = say(report);
        if (line !== undefined) screen.print(`${screen.out.green(line)}\n`);
        printReport(report, screen);
      }
      return EXIT.ok;
    });
}

function printReport(report: IndexesReport, screen: Screen): void {
  const { out } = screen;
  const heading = ['INDEX', 'ROLE', 'STATE', 'DOCUMENTS', 'CHUNKS', 'LAG', 'FAILED', 'MODEL'].map((text) => ({
    plain: text,
    shown: out.dim(text),
  }));
  screen.print(table([heading, ...report.indexes.map((index) => indexRow(index, out))]));
  for (const { name, failure } of report.indexes) {
    if (failure !== undefined) screen.print(`\n${out.red(name)} ${failure.message} (${failure.code})`);
  }
  const candidate = report.indexes.find(({ role }) => role === 'candidate');
  if (candidate !== undefined) {
    screen.print('');
    printComparison(report, screen);
    if (report.switchBlockers.length === 0)
      screen.print(`freshet index switch would make ${candidate.name} the live one now.`);
    for (const blocker of report.switchBlockers)
      screen.print(`${out.yellow('freshet index switch would refuse:')} ${blocker}`);
  }
  const previous = report.indexes.find(({ role }) => role === 'previous');
  if (previous !== undefined) {
    screen.print('');
    if (report.rollbackBlockers.length === 0)
      screen.print(`freshet index rollback would go back to ${previous.name} now.`);
    for (const blocker of report.rollbackBlockers)
      screen.print(`${out.yellow('freshet index rollback would refuse:')} ${blocker}`);
  }
  for (const note of report.notes) screen.print(`\n${note}`);
}

function indexRow(index: IndexReport, out: Screen['out']) {
  const cell = (plain: string, paint: (text: string) => string = (text) => text) => ({ plain, shown: paint(plain) });
  const count = (value: number | undefined) => cell(value === undefined ? '' : formatCount(value));
  return [
    cell(index.name),
    cell(index.role, index.role === 'live' ? out.green : (text) => text),
    stateOf(index, cell, out),
    count(index.documents),
    count(index.chunks),
    cell(index.lagMs === undefined ? '' : formatMs(index.lagMs)),
    count(index.deadLetters),
    cell(index.embedder ?? ''),
  ];
}

type Cell = { readonly plain: string; readonly shown: string };

function stateOf(
  { fed, failure, built, progress }: IndexReport,
  cell: (plain: string, paint?: (text: string) => string) => Cell,
  out: Screen['out'],
): Cell {
  if (failure !== undefined) return cell('failed', out.red);
  if (!fed) return cell('not fed', out.dim);
  if (built === true) return cell('built', out.green);
  return cell(progress === undefined ? 'building' : `building ${Math.floor(progress * 100)} %`, out.yellow);
}

function printComparison({ canaryShare, shadow }: IndexesReport, { out, print }: Screen): void {
  const line = (name: string, value: string): void => print(`${out.dim(name.padEnd(13))} ${value}`);
  line('canary', `${percent(canaryShare)} of the queries are answered by the candidate`);
  if (shadow === undefined || shadow.compared === 0) {
    line('compared', 'no queries yet');
    return;
  }
  const { overlapByDocument, overlapByText, liveMs, candidateMs, failed, skipped } = shadow;
  const missed = [
    failed === 0 ? [] : `${formatCount(failed)} failed`,
    skipped === 0 ? [] : `${formatCount(skipped)} left out`,
  ].flat();
  line(
    'compared',
    `${plural(shadow.compared, 'query', 'queries')}${missed.length === 0 ? '' : ` (${missed.join(', ')})`}`,
  );
  line('overlap', `${percent(overlapByDocument)} of the best ten by document, ${percent(overlapByText)} by text`);
  const latency = ({ p50, p95 }: typeof liveMs): string => `p50 ${ms(p50)}  p95 ${ms(p95)}`;
  line('answers in', `live ${latency(liveMs)}   candidate ${latency(candidateMs)}`);
}

const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${Number((share * 100).toFixed(1))} %`;
const ms = (value: number | undefined): string => (value === undefined ? '–' : formatMs(value));

async function drop(context: Context<GlobalOptions>, name: string): Promise<number> {
  const { deps, screen } = context;
  return context.withServices(async (services) => {
    const { dropped, leftBehind } = await services.indexes.drop(name, deps.signal);
    if (context.json) screen.printJson({ dropped, leftBehind });
    else {
      screen.print(`${screen.out.green('Dropped:')} ${dropped}.`);
      for (const what of leftBehind) screen.print(`${screen.out.yellow('Left behind:')} ${what}`);
    }
    return leftBehind.length === 0 ? EXIT.ok : EXIT.problem;
  });
}

function percentage(text: string): number {
  const value = Number(text.replace(/\s*%$/, ''));
  if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > 100) {
    throw new InvalidArgumentError('Give a share of the queries from 0 to 100.');
  }
  return value;
}

const liveName = (report: IndexesReport): string => report.indexes.find(({ role }) => role === 'live')?.name ?? '';

export const registerIndexes: Register = (program, deps, outcome) => {
  const index = program
    .command('index')
    .description('a second index beside the live one: compare, try, switch, go back');
  index.addHelpText(
    'after',
    '\nOther settings (model, chunks, redaction) make another index. Give them under "candidate:" in the configuration and start again: it is\n' +
      'built beside the live index, both are fed, and queries go on being answered by the live one until you switch.',
  );
  examples(
    index,
    ['freshet index status', 'what there is, how far it is, how the two compare'],
    ['freshet index canary 5', 'the candidate answers 5 % of the queries'],
    ['freshet index switch', 'it answers all of them'],
    ['freshet index rollback', 'the one before answers again'],
    ['freshet index drop v1', 'and is deleted'],
  );

  const statusCommand = index.command('status').description('the indexes, their roles, and how they compare');
  examples(
    statusCommand,
    ['freshet index status', 'and what a switch would do now'],
    ['freshet index status --json | jq .shadow', 'as GET /v1/indexes answers'],
  );
  handle<GlobalOptions>(
    statusCommand,
    deps,
    outcome,
    showing((services) => services.indexes.report(deps.signal)),
  );

  const canaryCommand = index
    .command('canary')
    .description('let the candidate answer a share of the queries; the same query always gets the same index')
    .argument('<percent>', 'of the queries; 0 ends it', percentage);
  examples(canaryCommand, ['freshet index canary 5', 'one query in twenty'], ['freshet index canary 0', 'none']);
  handle<GlobalOptions, [number]>(
    canaryCommand,
    deps,
    outcome,
    showing((services, _context, share: number) => services.indexes.canary(share / 100, deps.signal)),
  );

  const force = ['--force', 'also while it is not built, or behind: readers may miss what it lacks'] as const;
  const switchCommand = index
    .command('switch')
    .description('make the candidate the live index; the one before stays fed, for a rollback')
    .option(...force)
    .addHelpText(
      'after',
      '\nRefuses (exit code 1) while the candidate is not built, is behind or has more dead letters, and says so.',
    );
  examples(switchCommand, ['freshet index switch', 'once `freshet index status` says it can']);
  handle<ForceOptions>(
    switchCommand,
    deps,
    outcome,
    showing(
      (services, { options }: Context<ForceOptions>) =>
        services.indexes.switch({ force: options.force === true }, deps.signal),
      (report) => `${liveName(report)} is the live index now.`,
    ),
  );

  const rollbackCommand = index
    .command('rollback')
    .description('make the previous index the live one again; it was fed all the time')
    .option(...force);
  examples(rollbackCommand, ['freshet index rollback', 'queries are answered as before the switch']);
  handle<ForceOptions>(
    rollbackCommand,
    deps,
    outcome,
    showing(
      (services, { options }: Context<ForceOptions>) =>
        services.indexes.rollback({ force: options.force === true }, deps.signal),
      (report) => `${liveName(report)} is the live index again.`,
    ),
  );

  const dropCommand = index
    .command('drop')
    .description('stop feeding an index and delete it, with its slots and groups at the sources; never the live one')
    .argument('<name>', 'as `freshet index status` shows it, or its beginning');
  dropCommand.addHelpText(
    'after',
    '\nExits 1 when something was left behind at a source; it says what, and how to remove it.',
  );
  examples(dropCommand, ['freshet index drop v1', 'when a rollback is no longer needed']);
  handle<GlobalOptions, [string]>(dropCommand, deps, outcome, drop);
};
