/**
 * The product against its promises, each as a ratio to a yardstick measured in the same run (docs/benchmarks.md says how and what).
 *
 *   npm run bench -- [--quick] [--only indexing,latency] [--json FILE] [--documents 2000] [--minutes 10] [--data FOLDER] [--model-path FOLDER] [--profile FOLDER]
 *
 * Ends with exit code 1 when a bar was missed, 2 when it was asked for something it does not know.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createContext, type BenchOptions, type Part } from './context.ts';
import { absence } from './part-absence.ts';
import { embeddings } from './part-embeddings.ts';
import { indexing } from './part-indexing.ts';
import { latency } from './part-latency.ts';
import { memory } from './part-memory.ts';
import { scale } from './part-scale.ts';
import { search } from './part-search.ts';
import { synthetic } from './part-synthetic.ts';
import { held, load, machine, printPart, printSummary, type BenchReport } from './report.ts';

/** In this order: the search part measures the first copy that the latency and memory parts then work on. */
const PARTS: Readonly<Record<string, Part>> = {
  indexing,
  synthetic,
  embeddings,
  absence,
  search,
  latency,
  memory,
  scale,
};

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    documents: { type: 'string' },
    minutes: { type: 'string' },
    data: { type: 'string' },
    'model-path': { type: 'string' },
    profile: { type: 'string' },
  },
});
const names = values.only?.split(',') ?? Object.keys(PARTS);
const unknown = names.filter((name) => PARTS[name] === undefined);
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. The parts are ${Object.keys(PARTS).join(', ')}.`);
  process.exit(2);
}
const { quick } = values;
const options: BenchOptions = {
  quick,
  documents: Number(values.documents ?? (quick ? 150 : 2_000)),
  indexingDocuments: quick ? 60 : 250,
  rounds: quick ? 2 : 4,
  minutes: Number(values.minutes ?? (quick ? 1 : 10)),
  idleEdits: quick ? 25 : 100,
  secondsPerRate: quick ? 9 : 30,
  ...(values.data === undefined ? {} : { data: values.data }),
  ...(values['model-path'] === undefined ? {} : { modelPath: values['model-path'] }),
  ...(values.profile === undefined ? {} : { profile: values.profile }),
};

const folder = mkdtempSync(join(tmpdir(), 'freshet-bench-'));
const started = performance.now();
const seconds = (since: number): number => Math.round((performance.now() - since) / 100) / 10;
const say = (line: string): void => console.log(`[${seconds(started).toFixed(1).padStart(7)} s] ${line}`);
const context = createContext(options, folder, say);
let stopping: Promise<void> | undefined;
const stop = (): Promise<void> =>
  (stopping ??= context.close().finally(() => rmSync(folder, { recursive: true, force: true })));
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void stop().then(() => process.exit(130)));

const parts: BenchReport['parts'][number][] = [];
const startedAt = new Date().toISOString();
const before = load();
try {
  for (const name of names) {
    say(`part ${name}, load ${load()}`);
    const since = performance.now();
    const report = await (PARTS[name] as Part)(context);
    parts.push({ ...report, seconds: seconds(since), load: load() });
    printPart(report);
  }
} finally {
  await stop();
}
const report: BenchReport = {
  startedAt,
  seconds: seconds(started),
  machine: machine(),
  load: { before, after: load() },
  options: {
    ...options,
    data: options.data === undefined ? 'made up' : 'recorded',
    modelPath: undefined,
    profile: undefined,
  },
  parts,
};
printSummary(report);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(parts.every(({ bars }) => bars.every(held)) ? 0 : 1);
