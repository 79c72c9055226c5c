import { z } from 'zod';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';

/**
 * What identifies a record, to notice a topic that was deleted, made again and filled past the old offset: nothing in the protocol kafkajs
 * speaks tells the two topics apart.
 */
export interface Witness {
  readonly offset: bigint;
  readonly timestamp: number;
  /** CRC-32 of key and value. */
  readonly crc: number;
}

/** What one partition's owner knew of it last. */
export interface PartitionState {
  readonly cluster: string;
  readonly epoch: number;
  /** Counts the readings of the log from its beginning within an epoch. */
  readonly reading: number;
  /** Of the topic. */
  readonly partitions: number;
  /** Everything below it is in the index. */
  readonly next: bigint;
  /** The highest end offset ever seen. */
  readonly end: bigint;
  /** The end when this reading began: past it, the first whole copy is in. */
  readonly backlog: bigint;
  readonly witness?: Witness;
}

/** A snapshot in an epoch above 0 whose last row was seen: finished once the group passed these end offsets. */
export interface PendingSnapshot {
  readonly table: string;
  readonly ends: Readonly<Record<string, bigint>>;
}

/** What all instances share. Any of them writes it, and all would write the same. */
export interface SourceState {
  readonly cluster: string;
  readonly epoch: number;
  readonly reading: number;
  /** Settings fingerprints, by table. */
  readonly tables: Readonly<Record<string, string>>;
  /** Ever read in this epoch. */
  readonly topics: readonly string[];
  readonly pending: readonly PendingSnapshot[];
  /** Tables whose snapshot of this epoch is finished. */
  readonly finished: readonly string[];
}

const offset = z.string().regex(/^\d+$/).transform(BigInt);

const partitionSchema = z.object({
  v: z.literal(1),
  cluster: z.string(),
  epoch: z.number(),
  reading: z.number(),
  partitions: z.number(),
  next: offset,
  end: offset,
  backlog: offset,
  witness: z.object({ offset, timestamp: z.number(), crc: z.number() }).exactOptional(),
});

const sourceSchema = z.object({
  v: z.literal(1),
  cluster: z.string(),
  epoch: z.number(),
  reading: z.number(),
  tables: z.record(z.string(), z.string()),
  topics: z.array(z.string()),
  pending: z.array(z.object({ table: z.string(), ends: z.record(z.string(), offset) })),
  finished: z.array(z.string()),
});

/** Offsets are kept as text: JSON numbers end at 2^53. */
const toJson = (state: object): unknown =>
  JSON.parse(
    JSON.stringify({ v: 1, ...state }, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );

/** The states of a source: one of its own, and one of each partition, saved by whoever owns it. */
export class StateStore {
  readonly #checkpoints: Checkpoints;
  readonly #source: string;

  constructor(checkpoints: Checkpoints, source: string) {
    this.#checkpoints = checkpoints;
    this.#source = source;
  }

  async source(): Promise<SourceState | undefined> {
    return this.#load(this.#source, sourceSchema);
  }

  async partition(key: string): Promise<PartitionState | undefined> {
    return this.#load(`${this.#source}/${key}`, partitionSchema);
  }

  saveSource(state: SourceState): Promise<void> {
    return this.#checkpoints.save(this.#source, toJson(state));
  }

  savePartition(key: string, state: PartitionState): Promise<void> {
    return this.#checkpoints.save(`${this.#source}/${key}`, toJson(state));
  }

  async #load<T>(key: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const stored = await this.#checkpoints.load(key);
    if (stored === undefined || stored === null) return undefined;
    const parsed = schema.safeParse(stored);
    if (parsed.success) return parsed.data;
    throw new FreshetError(
      'KAFKA_STATE_UNREADABLE',
      'fatal',
      `The stored position "${key}" of source "${this.#source}" cannot be read by this version of Freshet. Run the version that wrote it, or build the index anew.`,
      { details: { key } },
    );
  }
}
