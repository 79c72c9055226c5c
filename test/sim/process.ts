import { FreshetError } from '../../src/domain/errors.ts';
import type { PartitionId, TableId } from '../../src/domain/ids.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import type { Version } from '../../src/domain/version.ts';
import { createEmbedQueue } from '../../src/ingest/embed-queue.ts';
import { createMapper } from '../../src/ingest/map.ts';
import type { PipelineLimits } from '../../src/ingest/context.ts';
import { createPipeline, type Pipeline } from '../../src/ingest/pipeline.ts';
import { RULES, type Rules } from '../../src/ingest/rules.ts';
import { silentObserver } from '../../src/observability/events.ts';
import type { DeadLetters } from '../../src/ports/dead-letters.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import type { DocumentWrite, Index } from '../../src/ports/index-store.ts';
import type { Source } from '../../src/ports/source.ts';
import type { RecordFetch } from '../../src/ports/record-fetch.ts';
import type { RowLookup } from '../../src/ports/rows.ts';
import { createMemoryIndex } from '../../connectors/memory/memory-index.ts';
import type { MemoryStore } from '../../connectors/memory/store.ts';
import { writeParts, type WritePart } from '../../connectors/memory/write.ts';
import { away, type Faults } from './faults.ts';
import { SOURCE_NAME, type History } from './history.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import { chunkerOf, fingerprintOf, mappingOf, POISON_WORD, redactor, TABLES, toRow, type Settings } from './rows.ts';
import type { Scheduler } from './scheduler.ts';
import type { Truth } from './truth.ts';
import type { ProcessHandle, SimLog } from './world.ts';

/** Everything processes share, and what a mutant may change. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly history: History;
  readonly log: SimLog;
  readonly store: MemoryStore;
  readonly network: Network;
  readonly faults: Faults;
  readonly truth: Truth;
  readonly deadLetters: DeadLetters;
  readonly lookups: boolean;
  /** Whether dead letters are retried from the log. */
  readonly fetches: boolean;
  readonly limits: Partial<PipelineLimits>;
  readonly rules: Rules;
  readonly parts: (write: DocumentWrite) => readonly WritePart[];
  /** Wraps what a process sees of the index. */
  readonly indexOf: (index: Index) => Index;
  readonly sourceOf: (source: Source) => Source;
  /** Told of every write before it is sent. */
  readonly onWrite: (write: DocumentWrite) => void;
  readonly onFailure: (error: unknown) => void;
}

export const RULES_AS_BUILT: Pick<Surroundings, 'rules' | 'parts' | 'indexOf' | 'sourceOf'> = {
  rules: RULES,
  parts: (write) => writeParts(write),
  indexOf: (index) => index,
  sourceOf: (source) => source,
};

/** One Freshet, from start to the end of its run or to its death. */
export class Process implements ProcessHandle {
  readonly name: string;
  readonly partitions: readonly PartitionId[];
  fenced = false;
  /** Virtual time at which a zombie dies; undefined while it is no zombie. */
  zombieUntil: number | undefined;
  finished = false;
  #alive = true;
  #pipeline: Pipeline | undefined;
  readonly #around: Surroundings;
  readonly #stopping = new AbortController();
  /** Of the embed queue, which must outlive the reading to drain it. Never aborted: the dead just stop. */
  readonly #life = new AbortController();

  constructor(name: string, partitions: readonly PartitionId[], settings: Settings, around: Surroundings) {
    this.name = name;
    this.partitions = partitions;
    this.#around = around;
    around.scheduler.log(`START ${name} with ${fingerprintOf(settings)}`);
    void this.#run(settings).catch((error: unknown) => {
      if (this.#alive) around.onFailure(error);
    });
  }

  get alive(): boolean {
    return this.#alive && !this.finished;
  }

  get leaving(): boolean {
    return this.#stopping.signal.aborted;
  }

  get pipeline(): Pipeline | undefined {
    return this.#pipeline;
  }

  committedVersions(): ReadonlyMap<PartitionId, Version> {
    return this.#pipeline?.committedVersions() ?? new Map();
  }

  /** Asks it to drain, commit and end, as SIGTERM does. */
  stop(): void {
    this.#stopping.abort();
  }

  kill(): void {
    this.#alive = false;
    this.#around.scheduler.kill(this);
    this.#around.network.abandonAllOf(this);
  }

  async #run(settings: Settings): Promise<void> {
    const { scheduler, random, history, log, rules } = this.#around;
    const skew = random.int(31) - 15;
    const clock = scheduler.clockOf(this, () => skew);
    const index = this.#around.indexOf(this.#index());
    const generation = await retried(() => index.registerSettings(fingerprintOf(settings), this.#life.signal));
    const source = this.#around.sourceOf(log.open(this, this.partitions));
    const own = random.fork();
    const embedder = this.#embedder(settings);
    const shared = { clock, observer: silentObserver, random: own.next };
    const byDocument = new Map(history.keys.map((key) => [`${key.table} ${key.rowKey}`, key]));
    const rowLookup: RowLookup = {
      row: async (table, rowKey) => {
        await scheduler.gate(this, 'look a row up');
        const key = byDocument.get(`${table} ${rowKey}`);
        if (key === undefined) return undefined;
        const now = log.current(key.number);
        this.#around.truth.lookedUp(key, now);
        return now.row === undefined ? undefined : toRow(now.row, key.number, false);
      },
    };
    const recordFetch: RecordFetch = {
      record: async (position) => {
        await scheduler.gate(this, 'fetch a record');
        return log.record(position, !this.#around.faults.poisoned);
      },
      isCommitted: async (position) => {
        await scheduler.gate(this, 'ask what is committed');
        return log.isCommitted(position);
      },
    };
    const mappings = new Map<TableId, TableMapping>(TABLES.map((table) => [table, mappingOf(table, settings)]));
    this.#pipeline = createPipeline({
      ...shared,
      ...{ source, index, redactor, generation, mappings, rules },
      mapper: createMapper({
        applyColumnPolicy: (row) => row,
        htmlToText: (html) => html,
        hashKey: new Uint8Array(32),
        maxTextLength: 1_000,
      }),
      chunker: chunkerOf(settings),
      embedQueue: createEmbedQueue({ ...shared, embedder, signal: this.#life.signal }),
      deadLetters: this.#deadLetters(),
      ...(this.#around.lookups ? { rowLookup } : {}),
      ...(this.#around.fetches ? { recordFetch } : {}),
      documentId: (table, rowKey) => byDocument.get(`${table} ${rowKey}`)?.document ?? unknownRow(),
      limits: this.#around.limits,
    });
    await this.#pipeline.run(this.#stopping.signal);
    this.finished = true;
  }

  /** The index as this process reaches it: over a network that may refuse a call, or lose its answer. */
  #index(): Index {
    const { scheduler, store, network, faults, truth, parts, onWrite } = this.#around;
    const step = async (what: string): Promise<void> => {
      await scheduler.gate(this, what);
      faults.index(scheduler.now);
    };
    const index = createMemoryIndex({ dimensions: 1, store, step });
    return {
      ...index,
      truncate: async (table, truncation, signal) => {
        await index.truncate(table, truncation, signal);
        truth.truncated(table, truncation);
      },
      apply: async (write) => {
        onWrite(write);
        await step('send a write');
        const sent = network.send(this, write, truth.watch(write, parts(write)));
        if (faults.writeTimesOut()) {
          await scheduler.gate(this, 'time out');
          sent.giveUp();
          throw away('INDEX_TIMED_OUT');
        }
        await sent.arrived;
        await scheduler.gate(this, 'write answered');
      },
    };
  }

  #embedder({ embedder }: Settings): Embedder {
    const { scheduler, faults, random } = this.#around;
    return {
      fingerprint: `e${embedder}`,
      dimensions: 1,
      maxTextTokens: 10,
      maxBatchTokens: 1 + random.int(8),
      concurrency: 1 + random.int(2),
      embed: async (texts) => {
        await scheduler.gate(this, `embed ${texts.join(' | ')}`);
        faults.embedder(scheduler.now);
        if (faults.poisoned && texts.some((text) => text.includes(POISON_WORD.embed))) {
          throw new FreshetError('SIM_REFUSED', 'poison', 'The embedder refuses this text, as the row asked for.');
        }
        await scheduler.gate(this, 'embedded');
        const stall = faults.stall();
        if (stall > 0) await scheduler.sleep(this, stall);
        return texts.map(() => new Float32Array([1]));
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  #deadLetters(): DeadLetters {
    const { scheduler, deadLetters, truth } = this.#around;
    return {
      ...deadLetters,
      put: async (letter) => {
        await scheduler.gate(this, 'put a dead letter');
        truth.lettered(letter);
        scheduler.log(`DEAD LETTER ${letter.position.partition}@${letter.position.offset} ${letter.code}`);
        await deadLetters.put(letter);
      },
    };
  }
}

async function retried<T>(operation: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof FreshetError) || error.kind !== 'transient') throw error;
    }
  }
}

function unknownRow(): never {
  throw new FreshetError('SIM_UNKNOWN_ROW', 'fatal', `Source ${SOURCE_NAME} delivered a row that does not exist.`);
}
