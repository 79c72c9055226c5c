import type { TopicPartition } from './client/client.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { KafkaRecord } from './record.ts';

export interface BufferedRecord {
  readonly record: KafkaRecord;
  readonly bytes: number;
  readonly of: PartitionProgress;
}

export interface BufferLimits {
  readonly bufferBytes: number;
  readonly partitionBufferBytes: number;
}

/** Objects, map entries and the like, beside key and value. */
const RECORD_OVERHEAD_BYTES = 200;

export function bytesOf({ key, value }: KafkaRecord): number {
  return RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}

interface Chunk {
  readonly of: PartitionProgress;
  readonly records: readonly KafkaRecord[];
  taken: number;
}

/**
 * What was fetched and not taken yet, in the order it came: partitions take turns by the batch. Asks for a pause of a partition above its
 * own limit, of all above the common one, and to go on below half of both (so that fetching does not stutter by the record).
 */
export class RecordBuffer {
  readonly #limits: BufferLimits;
  readonly #pause: (partitions: readonly TopicPartition[]) => void;
  readonly #resume: (partitions: readonly TopicPartition[]) => void;
  #chunks: Chunk[] = [];
  #bytes = 0;
  #records = 0;
  #paused = new Set<PartitionProgress>();
  #wake: (() => void) | undefined;
  #ended: { readonly error: unknown } | undefined;

  constructor(
    limits: BufferLimits,
    pause: (partitions: readonly TopicPartition[]) => void,
    resume: (partitions: readonly TopicPartition[]) => void,
  ) {
    this.#limits = limits;
    this.#pause = pause;
    this.#resume = resume;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#records;
  }

  /**
   * Nothing is taken in any more. What still comes must not count as fetched either: deliveries in flight are yet to be settled, and would
   * settle their partition past it.
   */
  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** @param assigned every partition that may be fetched: those that are paused when the whole is full */
  push(of: PartitionProgress, records: readonly KafkaRecord[], assigned: readonly PartitionProgress[]): void {
    if (records.length === 0 || this.#ended !== undefined) return;
    let bytes = 0;
    for (const record of records) bytes += bytesOf(record);
    this.#chunks.push({ of, records, taken: 0 });
    of.bufferedBytes += bytes;
    this.#bytes += bytes;
    this.#records += records.length;
    if (this.#bytes >= this.#limits.bufferBytes) this.#hold(assigned);
    else if (of.bufferedBytes >= this.#limits.partitionBufferBytes) this.#hold([of]);
    this.#wake?.();
  }

  /** The next record at once, if there is one. */
  poll(): BufferedRecord | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    const record = chunk.records[chunk.taken]!;
    chunk.taken += 1;
    if (chunk.taken === chunk.records.length) this.#chunks.shift();
    const bytes = bytesOf(record);
    chunk.of.bufferedBytes -= bytes;
    chunk.of.inHand = 1;
    this.#bytes -= bytes;
    this.#records -= 1;
    if (this.#paused.size > 0) this.#letGo();
    return { record, bytes, of: chunk.of };
  }

  /** Resolves when it is worth looking again; false once the buffer was ended without an error, which it throws otherwise. */
  async ready(): Promise<boolean> {
    if (this.#ended === undefined && this.#chunks.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    if (this.#ended?.error !== undefined) throw this.#ended.error;
    return this.#ended === undefined;
  }

  /** There is something else to look for. */
  nudge(): void {
    this.#wake?.();
  }

  /** The oldest record of a partition that was not taken. */
  oldest(of: PartitionProgress): KafkaRecord | undefined {
    const chunk = this.#chunks.find((candidate) => candidate.of === of);
    return chunk?.records[chunk.taken];
  }

  /**
   * Everything is forgotten: the partitions were given up. What was never taken counts as never fetched, or the drain that follows would
   * settle a partition past it.
   */
  clear(): void {
    for (const { of, records, taken } of this.#chunks) {
      of.bufferedBytes = 0;
      const { offset } = records[taken]!;
      if (offset < of.fetched) of.fetched = offset;
    }
    this.#chunks = [];
    this.#paused.clear();
    this.#bytes = 0;
    this.#records = 0;
  }

  /** Nothing comes any more. What is buffered is dropped: it will be read again. */
  end(error?: unknown): void {
    this.#ended ??= { error };
    this.clear();
    this.#wake?.();
  }

  #hold(partitions: readonly PartitionProgress[]): void {
    const more = partitions.filter((partition) => !this.#paused.has(partition));
    for (const partition of more) this.#paused.add(partition);
    if (more.length > 0) this.#pause(more);
  }

  #letGo(): void {
    const { bufferBytes, partitionBufferBytes } = this.#limits;
    if (this.#bytes >= bufferBytes / 2) return;
    const free = [...this.#paused].filter(({ bufferedBytes }) => bufferedBytes < partitionBufferBytes / 2);
    for (const partition of free) this.#paused.delete(partition);
    if (free.length > 0) this.#resume(free);
  }
}
