import { freshnessView } from '../../api/views.ts';
import type { FreshnessReport } from '../../services/services.ts';
import type { Context, GlobalOptions, Via } from '../context.ts';
import { examples, handle, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';
import { formatAge, formatBytes, formatCount, formatMs, plural, table } from '../format.ts';
import type { Screen } from '../screen.ts';

type SourceReport = FreshnessReport['sources'][number];

async function status(context: Context<GlobalOptions>): Promise<number> {
  const { deps, screen } = context;
  return context.withServices(async (services, via) => {
    const report = await services.freshness.report(deps.signal);
    if (context.json) screen.printJson(freshnessView(report));
    else printReport(report, via, screen);
    return report.ready ? EXIT.ok : EXIT.problem;
  });
}

function printReport(report: FreshnessReport, via: Via, screen: Screen): void {
  const { out } = screen;
  const state = report.ready ? out.green('ready') : out.yellow('not ready');
  const asOf =
    report.asOf === undefined
      ? 'freshness not known yet'
      : `everything committed up to ${formatAge(report.asOf, report.now)}`;
  screen.print(`${out.bold(via.kind === 'instance' ? via.api : via.path)}  ${state} · ${asOf}\n`);

  const { index, embedder, commitToVisible } = report;
  const size = index.bytesOnDisk === undefined ? '' : `, ${formatBytes(index.bytesOnDisk)}`;
  const line = (name: string, value: string): void => screen.print(`${out.dim(name.padEnd(13))} ${value}`);
  line('index', `${plural(index.documents, 'document')}, ${plural(index.chunks, 'chunk')}${size}`);
  const lexical = embedder.lexicalOnly ? out.yellow(' lexical only') : '';
  line('embedder', `${embedder.name ?? embedder.fingerprint}${lexical}${embedder.down ? out.red(' down') : ''}`);
  if (commitToVisible.count > 0)
    line('visible in', `${percentiles(commitToVisible)} (last ${plural(commitToVisible.count, 'change')})`);
  const letters = plural(report.deadLetters, 'dead letter');
  line('failed', report.deadLetters === 0 ? letters : `${out.red(letters)} ${out.dim('freshet dlq list shows them')}`);

  if (report.sources.length === 0) return;
  const heading = ['SOURCE', 'STATE', 'LAG', 'AS OF', 'FIRST COPY'].map((text) => ({
    plain: text,
    shown: out.dim(text),
  }));
  screen.print(`\n${table([heading, ...report.sources.map((source) => sourceRow(source, report.now, out))])}`);
  for (const source of report.sources) {
    const retained = source.gauges.retained_wal_bytes;
    if (retained !== undefined && retained >= 1e9) {
      screen.print(out.yellow(`${source.source}: the server keeps ${formatBytes(retained)} of WAL for the slot`));
    }
  }
}

function percentiles({ p50, p95, p99 }: FreshnessReport['commitToVisible']): string {
  const shown = [
    ['p50', p50],
    ['p95', p95],
    ['p99', p99],
  ] as const;
  return shown.map(([name, value]) => `${name} ${value === undefined ? '–' : formatMs(value)}`).join('  ');
}

function sourceRow(source: SourceReport, now: number, out: Screen['out']) {
  const cell = (plain: string, paint: (text: string) => string = (text) => text) => ({ plain, shown: paint(plain) });
  const lags = source.partitions.flatMap((partition) => (partition.lagMs === undefined ? [] : [partition.lagMs]));
  const known = source.partitions.flatMap((partition) => (partition.asOf === undefined ? [] : [partition.asOf]));
  const isKnown = source.partitions.length > 0 && known.length === source.partitions.length;
  const unknown = cell('not known', out.dim);
  return [
    cell(source.source),
    source.connected ? cell('connected', out.green) : cell('disconnected', out.red),
    lags.length === 0 ? unknown : cell(formatMs(Math.max(...lags))),
    isKnown ? cell(formatAge(Math.min(...known), now)) : unknown,
    source.snapshotFinished ? cell('done') : cell(copyProgress(source), out.yellow),
  ];
}

function copyProgress(source: SourceReport): string {
  const open = source.snapshots.filter((snapshot) => !snapshot.finished);
  const read = open.reduce((sum, snapshot) => sum + snapshot.rowsRead, 0);
  const totals = open.map((snapshot) => snapshot.rowsTotal);
  const total = totals.reduce<number | undefined>(
    (sum, each) => (sum === undefined || each === undefined ? undefined : sum + each),
    0,
  );
  if (open.length === 0) return 'starting';
  return `${plural(open.length, 'table')}, ${formatCount(read)}${total === undefined || total === 0 ? '' : ` of ~${formatCount(total)}`} rows`;
}

export const registerStatus: Register = (program, deps, outcome) => {
  const command = program
    .command('status')
    .description('how fresh the index is, per source, and what it holds')
    .addHelpText('after', '\nExits 1 while the first copy is not finished or a source cannot be reached.');
  examples(
    command,
    ['freshet status', 'of the instance on ./.freshet'],
    ['freshet status --data-dir /var/lib/freshet', 'of another one'],
    ['freshet status --json | jq .lagMs', 'as GET /v1/freshness answers'],
  );
  handle<GlobalOptions>(command, deps, outcome, status);
};
