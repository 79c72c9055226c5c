import { z } from 'zod';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Offsets } from './client/client.ts';

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

/** What all instances share of a source. Written where a source, an epoch or a reading begins. */
export interface SourceState {
  readonly cluster: string;
  readonly epoch: number;
  readonly reading: number;
  /** Settings fingerprints, by table. */
  readonly tables: Readonly<Record<string, string>>;
  /** Counts the changes of `tables`. Instances of older settings go on beside newer ones for a while: a rolling upgrade. */
  readonly settings: number;
}

/** How far the whole source is known to be settled, see `horizon.ts`. */
export interface ProvenState {
  /** The reading of the log in which it was found. */
  readonly reading: number;
  readonly time?: number;
  readonly lsn?: bigint;
  /** Debezium's names of the connectors whose records were read. */
  readonly connectors: readonly string[];
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
  settings: z.number(),
});

const topicsSchema = z.object({ topics: z.array(z.string()) });
const offsetsSchema = z.object({ offsets: z.record(z.string(), offset) });
const provenSchema = z.object({
  reading: z.number(),
  time: z.number().exactOptional(),
  lsn: offset.exactOptional(),
  connectors: z.array(z.string()),
});

/** Offsets are kept as text: JSON numbers end at 2^53. */
const toJson = (state: object): unknown =>
  JSON.parse(
    JSON.stringify({ v: 1, ...state }, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );

/**
 * What a source remembers in its index. The store has no compare-and-set, so each fact has a key of its own, and whoever overwrites one
 * loses nothing: writers would write the same (`<source>`), own what they write (partitions, by their assignment), or write what is as
 * true as what it replaces (the other facts, each of one epoch).
 */
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

  /** Topics ever read in the epoch. An instance that was overwritten adds its own again when it joins the next time. */
  async topics(epoch: number): Promise<readonly string[]> {
    return (await this.#fact('topics', epoch, topicsSchema))?.topics ?? [];
  }

  saveTopics(epoch: number, topics: readonly string[]): Promise<void> {
    return this.#saveFact('topics', epoch, { topics });
  }

  /** Where partitions begin that nobody took up yet: decided for all of them when the epoch began, so that a crash loses none. */
  async starts(epoch: number): Promise<Offsets> {
    return this.#offsets('starts', epoch).then((found) => found ?? new Map());
  }

  saveStarts(epoch: number, offsets: Offsets): Promise<void> {
    return this.#saveOffsets('starts', epoch, offsets);
  }

  /** End offsets read after the last row of a table's snapshot: in once the group passed them. Written by who read that row. */
  snapshotSeen(table: string, epoch: number): Promise<Offsets | undefined> {
    return this.#offsets(`snapshot-seen/${table}`, epoch);
  }

  saveSnapshotSeen(table: string, epoch: number, ends: Offsets): Promise<void> {
    return this.#saveOffsets(`snapshot-seen/${table}`, epoch, ends);
  }

  /** Those of the snapshot that was told to be in. An older one in its place is told again, which changes nothing. */
  snapshotTold(table: string, epoch: number): Promise<Offsets | undefined> {
    return this.#offsets(`snapshot-told/${table}`, epoch);
  }

  saveSnapshotTold(table: string, epoch: number, ends: Offsets): Promise<void> {
    return this.#saveOffsets(`snapshot-told/${table}`, epoch, ends);
  }

  async proven(epoch: number): Promise<ProvenState | undefined> {
    return this.#fact('proven', epoch, provenSchema);
  }

  saveProven(epoch: number, proven: ProvenState): Promise<void> {
    return this.#saveFact('proven', epoch, proven);
  }

  async #offsets(name: string, epoch: number): Promise<Offsets | undefined> {
    const found = await this.#fact(name, epoch, offsetsSchema);
    return found && new Map(Object.entries(found.offsets));
  }

  #saveOffsets(name: string, epoch: number, offsets: Offsets): Promise<void> {
    return this.#saveFact(name, epoch, { offsets: Object.fromEntries(offsets) });
  }

  /** A fact of another epoch is none of this one. */
  async #fact<T extends object>(name: string, epoch: number, schema: z.ZodType<T>): Promise<T | undefined> {
    const key = `${this.#source}#${name}`;
    const stored = await this.#load(key, z.object({ v: z.literal(1), epoch: z.number(), fact: z.unknown() }));
    return stored?.epoch === epoch ? this.#parse(key, stored.fact, schema) : undefined;
  }

  #saveFact(name: string, epoch: number, fact: object): Promise<void> {
    return this.#checkpoints.save(`${this.#source}#${name}`, toJson({ epoch, fact }));
  }

  async #load<T>(key: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const stored = await this.#checkpoints.load(key);
    return stored === undefined || stored === null ? undefined : this.#parse(key, stored, schema);
  }

  #parse<T>(key: string, stored: unknown, schema: z.ZodType<T>): T {
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
