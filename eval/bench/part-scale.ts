import { join } from 'node:path';
import { compile, resultOf, type Compiled } from './compiled.ts';
import type { BenchContext, Part } from './context.ts';
import type { Job } from './kafka-child.ts';
import type { OutageMemory } from './kafka-outage.ts';
import { measureInstances, measurePath, startBroker, type Broker } from './kafka-stack.ts';
import type { Throughput } from './kafka-throughput.ts';
import { figuresOf, type Bar } from './report.ts';
import { percentiles } from './statistics.ts';

type Figures = Record<string, number | string>;
interface Measured {
  readonly figures: Figures;
  readonly bars: readonly Bar[];
}

const QUEUED_MB = 64;
/** One chunk by the synthetic engine. */
const EMBED_MS = 6;

/** The Kafka path at size: records in, documents out; with engines that cost nothing where the way is measured, and only time where it is not. */
export const scale: Part = async (context) => {
  await using compiled = await compile('kafka-child');
  const measured: Measured[] = [
    await throughput(context, compiled, false),
    await throughput(context, compiled, true),
    await outage(context, compiled),
  ];
  await using broker = await startBroker();
  measured.push(await instances(context, compiled, broker));
  measured.push(await path(context, compiled, broker));
  return {
    part: 'scale',
    title: 'Kafka: throughput, memory in an outage, two instances, and the way through Debezium',
    figures: Object.assign({}, ...measured.map(({ figures }) => figures)) as Figures,
    bars: measured.flatMap(({ bars }) => bars),
    notes: [
      'Events per second of one core: by processor time of the whole process, compiler and garbage collector included, so that other work on the machine counts little.',
      'Records are plain Debezium JSON, decoded by the real decoder and taken by the real pipeline; embedder and index answer at once, and the index keeps heads only.',
      'Instances: a real broker; each has an engine of one call of eight texts at a time and an index of eight calls at a time, 20 ms a call.',
      'The way through Debezium: real PostgreSQL, Connect and broker, the embedded index on disk, and an engine of 4 ms per call and 2 ms per text.',
    ],
  };
};

const job = <T>(compiled: Compiled, what: Job, profile?: string): Promise<T> =>
  resultOf<T>(
    compiled.fork([JSON.stringify(what)], profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
  );

async function throughput({ options, say }: BenchContext, compiled: Compiled, changesText: boolean): Promise<Measured> {
  const documents = options.quick ? 5_000 : 20_000;
  const rounds = options.quick ? 4 : 5;
  const what = changesText ? 'changed text' : 'unchanged rows';
  say(`${documents * rounds} events, ${what} …`);
  const task: Job = { job: 'throughput', documents, rounds, changesText };
  const { events, bytesPerEvent, wallMs, cpuMs, parseCpuMs, outcomes } = await job<Throughput>(
    compiled,
    task,
    options.profile,
  );
  const perSecond = (events / cpuMs) * 1_000;
  return {
    figures: {
      [`${what}: events`]: events,
      [`${what}: bytes per event`]: bytesPerEvent,
      [`${what}: events/s by the wall clock`]: (events / wallMs) * 1_000,
      [`${what}: events/s per core`]: perSecond,
      [`${what}: processor time over JSON.parse alone`]: cpuMs / parseCpuMs,
      [`${what}: outcomes`]: Object.entries(outcomes)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    },
    bars: [
      {
        name: `events/s per core, ${what}`,
        measured: perSecond,
        limit: changesText ? 1_500 : 10_000,
        sense: 'at least',
        unit: '/s',
      },
    ],
  };
}

async function outage({ options, say }: BenchContext, compiled: Compiled): Promise<Measured> {
  const downMs = options.quick ? 10_000 : 60_000;
  say(`index away for ${downMs / 1_000} s …`);
  const memory = await job<OutageMemory>(compiled, { job: 'outage', downMs });
  return {
    figures: {
      'index away, s': downMs / 1_000,
      'RSS MB before': memory.upMb,
      'RSS MB while it is away': memory.downMb,
      'events read meanwhile': memory.readWhileDown,
      'deliveries in flight meanwhile': memory.inFlightWhileDown,
      'what waited was settled within, ms': memory.settledWithinMs,
    },
    bars: [
      {
        name: 'growth of RSS while the index is away',
        measured: memory.downMb - memory.upMb,
        limit: QUEUED_MB,
        sense: 'at most',
        unit: ' MB',
      },
      {
        name: 'deliveries in flight while the index is away',
        measured: memory.inFlightWhileDown,
        limit: 1_001,
        sense: 'at most',
        unit: '',
      },
    ],
  };
}

async function instances({ options, say }: BenchContext, compiled: Compiled, broker: Broker): Promise<Measured> {
  const documents = options.quick ? 1_600 : 8_000;
  const figures: Figures = { 'instances: documents': documents };
  const took: number[] = [];
  for (const count of [1, 2]) {
    say(`${documents} documents, ${count} instance${count === 1 ? '' : 's'} on 8 partitions …`);
    const ms = await measureInstances(broker, compiled, count, documents);
    took.push(ms);
    figures[`instances: documents/s with ${count}`] = (documents / ms) * 1_000;
  }
  const [one = Number.NaN, two = Number.NaN] = took;
  return {
    figures,
    bars: [{ name: 'two instances over one', measured: one / two, limit: 1.7, sense: 'at least', unit: ' ×' }],
  };
}

async function path({ options, say, folder }: BenchContext, compiled: Compiled, broker: Broker): Promise<Measured> {
  const edits = options.quick ? 60 : 300;
  say(`${edits} edits through PostgreSQL, Debezium and Kafka …`);
  const { toConsumer, toVisible } = await measurePath(broker, compiled, edits, 5, join(folder, 'scale.sqlite'));
  const [consumer, visible] = [percentiles(toConsumer), percentiles(toVisible)];
  return {
    figures: { ...figuresOf('commit → bare consumer', consumer), ...figuresOf('commit → visible', visible) },
    bars: [
      {
        name: `commit → visible p50, over the bare consumer of the same records and ${EMBED_MS} ms of embedding`,
        measured: visible.p50 - consumer.p50 - EMBED_MS,
        limit: 30,
        sense: 'at most',
        unit: ' ms',
      },
    ],
  };
}
