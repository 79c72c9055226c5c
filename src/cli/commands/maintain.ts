import type { VerifyReport } from '../../services/services.ts';
import type { Context, GlobalOptions } from '../context.ts';
import type { CliServices } from '../deps.ts';
import { examples, handle, INDEX_OPTION, ofIndex, wholeNumber, type IndexOption, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';
import { formatCount, formatMs, plural } from '../format.ts';
import type { Screen } from '../screen.ts';

interface VerifyOptions extends GlobalOptions, IndexOption {
  readonly repair?: boolean;
  readonly vectorSample: number;
  readonly limit: number;
}

const KINDS = ['missing', 'stale', 'ghost', 'duplicate'] as const;
const MEANING: Readonly<Record<(typeof KINDS)[number], string>> = {
  missing: 'in the source, not in the index',
  stale: 'text, metadata or vector differ',
  ghost: 'in the index, not in the source',
  duplicate: 'there twice',
};

async function verify(context: Context<VerifyOptions>): Promise<number> {
  const { deps, options, screen } = context;
  return context.withServices(async (services) => {
    const progress = context.progress();
    let report: VerifyReport;
    try {
      const work = { repair: options.repair === true, vectorSample: options.vectorSample, ...ofIndex(options) };
      report = await services.admin.verify(work, progress.update, deps.signal);
    } finally {
      progress.finish();
    }
    if (context.json) screen.printJson(report);
    else printReport(report, options, screen);
    const isClean = KINDS.every((kind) => report[kind] === 0) && report.notCompared.length === 0;
    return isClean ? EXIT.ok : EXIT.problem;
  });
}

function printReport(report: VerifyReport, options: VerifyOptions, screen: Screen): void {
  const { out } = screen;
  const wrong = KINDS.reduce((sum, kind) => sum + report[kind], 0);
  for (const problem of report.problems.slice(0, options.limit)) {
    const chunk = problem.chunk === undefined ? '' : ` chunk ${problem.chunk}`;
    screen.print(
      `${out.red(problem.kind.padEnd(9))} ${problem.table} ${problem.document}${chunk} ${out.dim(problem.detail)}`,
    );
  }
  if (report.problems.length > options.limit) {
    screen.print(
      out.dim(
        `… and ${plural(report.problems.length - options.limit, 'more', 'more')} (--limit shows more, --json all)`,
      ),
    );
  }
  if (report.problems.length > 0) screen.print('');
  for (const kind of KINDS) {
    const figure = formatCount(report[kind]).padStart(7);
    screen.print(
      `${report[kind] === 0 ? out.green(figure) : out.red(figure)} ${kind.padEnd(9)} ${out.dim(MEANING[kind])}`,
    );
  }
  const compared = `${plural(report.documents, 'document')}, ${plural(report.chunks, 'chunk')} and ${plural(report.vectorsChecked, 'vector')} compared in ${formatMs(report.tookMs)}`;
  screen.print(
    `\n${wrong === 0 ? out.green('The index is what its sources say.') : out.red('The index differs from its sources.')} ${out.dim(compared)}`,
  );
  const origins = report.comparedWith.map(({ source, origin }) => `${source} with ${origin}`);
  screen.print(out.dim(`Compared: ${origins.join(', ')}.`));
  for (const { source, reason } of report.notCompared) {
    screen.print(`${out.red('Not compared:')} ${source}. ${reason}`);
  }
  if (report.unindexable > 0) {
    const rows =
      report.unindexable === 1
        ? '1 row cannot be indexed as it is'
        : `${plural(report.unindexable, 'row')} cannot be indexed as they are`;
    screen.print(`${rows}: freshet dlq list says why.`);
  }
  if (report.repaired > 0)
    screen.print(`${plural(report.repaired, 'chunk or document', 'chunks and documents')} repaired.`);
  if (wrong > 0 && options.repair !== true) screen.print('Run it with --repair to mend them.');
}

type Rebuilt = { readonly documents: number; readonly chunks: number };

async function rebuild(context: Context<GlobalOptions>): Promise<number> {
  const { deps, screen } = context;
  const began = deps.now();
  const rebuildWith = async (services: CliServices): Promise<Rebuilt> => {
    const progress = context.progress();
    try {
      return await services.admin.rebuild(progress.update, deps.signal);
    } finally {
      progress.finish();
    }
  };
  return context.withServices(
    async (services, via) => {
      const damaged = via.kind === 'data folder' ? via.damagedIndex : undefined;
      // The new index in the place of a damaged one was built by opening it.
      const { documents, chunks } =
        damaged === undefined ? await rebuildWith(services) : (await services.freshness.report(deps.signal)).index;
      const tookMs = deps.now() - began;
      if (context.json) screen.printJson({ documents, chunks, tookMs });
      else {
        const size = `${plural(documents, 'document')}, ${plural(chunks, 'chunk')} in ${formatMs(tookMs)}.`;
        screen.print(`${screen.out.green('Rebuilt and swapped in:')} ${size}`);
        if (damaged !== undefined) screen.print(`The damaged index is kept as ${damaged}; nothing needs it any more.`);
      }
      return EXIT.ok;
    },
    { replaceDamagedIndex: true },
  );
}

interface ReplayOptions extends GlobalOptions, IndexOption {
  readonly from: string;
}

async function replay(context: Context<ReplayOptions>, source: string): Promise<number> {
  const { deps, options, screen } = context;
  return context.withServices(async (services) => {
    const result = await services.admin.replay({ source, from: options.from, ...ofIndex(options) }, deps.signal);
    if (context.json) screen.printJson(result);
    else screen.print(result.message);
    return EXIT.ok;
  });
}

export const registerMaintenance: Register = (program, deps, outcome) => {
  const verifyCommand = program
    .command('verify')
    .description('compare the index with a rebuild from the current rows of its sources')
    .option('--repair', 'mend what differs, then count what remains')
    .option('--vector-sample <count>', 'how many vectors to compute again and compare', wholeNumber(0, 1_000_000), 100)
    .option('--limit <count>', 'how many differences to name', wholeNumber(0, 1_000_000), 20)
    .option(...INDEX_OPTION)
    .addHelpText(
      'after',
      '\nExits 0 only if every source was compared and nothing is missing, stale, ghost or duplicate; with --repair, if nothing remains.',
    );
  examples(
    verifyCommand,
    ['freshet verify', 'names every difference'],
    ['freshet verify --repair', 'and mends it'],
    ['freshet verify --index v2', 'the candidate, before a switch'],
    ['freshet verify --json', '{"missing":0,"stale":0,"ghost":0,"duplicate":0,…}'],
  );
  handle<VerifyOptions>(verifyCommand, deps, outcome, verify);

  const rebuildCommand = program
    .command('rebuild')
    .description('build the index anew beside the old one, then swap it in');
  rebuildCommand.addHelpText('after', '\nQueries are answered from the old index until the new one is complete.');
  examples(
    rebuildCommand,
    ['freshet rebuild', 'with the settings of now'],
    ['freshet rebuild --json', '{"documents","chunks","tookMs"}'],
  );
  handle<GlobalOptions>(rebuildCommand, deps, outcome, rebuild);

  const replayCommand = program
    .command('replay')
    .description('read a source again from the beginning; what is indexed already stays as it is')
    .argument('<source>', 'name of the source in the configuration')
    .option('--from <position>', 'where to begin; "snapshot" reads all current rows', 'snapshot')
    .option(...INDEX_OPTION);
  examples(
    replayCommand,
    ['freshet replay app', 'read every row of "app" again'],
    ['freshet replay app --json', '{"message"}'],
  );
  handle<ReplayOptions, [string]>(replayCommand, deps, outcome, replay);
};
