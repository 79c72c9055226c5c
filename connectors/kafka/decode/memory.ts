import type { RowKey, TableId } from '../../../src/domain/ids.ts';
import type { SourcePosition } from '../../../src/domain/source-position.ts';
import type { Instant } from '../../../src/domain/time.ts';

/** A streamed change's place in its source. */
export interface Place {
  readonly sourcePosition: SourcePosition;
  readonly committedAt: Instant;
}

/** The row record before the one at hand. */
export interface Previous {
  readonly offset: bigint;
  readonly table: TableId;
  readonly key: RowKey;
  readonly deleted: boolean;
  /** Of the last streamed change of the partition so far, this one or an earlier one. */
  readonly place: Place | undefined;
}

/**
 * How rows come on a topic:
 * - `envelope`   deletes are records; a tombstone follows each
 * - `rewritten`  without envelope, deletes are records (`delete.tombstone.handling.mode=rewrite`)
 * - `bare`       without envelope, a tombstone may be all there is of a delete
 */
export type Shape = 'envelope' | 'rewritten' | 'bare';

/**
 * What a tombstone means depends on what came before it: of each partition its last row record, of each topic its shape. One partition's
 * records come in order; one that is fetched again by its coordinates in between is not remembered.
 */
export class LogMemory {
  readonly #previous = new Map<string, Map<number, Previous>>();
  readonly #shapes = new Map<string, Shape>();
  readonly #begun = new Map<string, bigint>();

  /** What was read of the partition before is no longer what precedes: another may have read on meanwhile. */
  begin(topic: string, partition: number, offset: bigint): void {
    this.#begun.set(`${topic}/${partition}`, offset);
    this.#previous.get(topic)?.delete(partition);
  }

  /** Where reading of a partition began, if that was told. */
  begun(topic: string, partition: number): bigint | undefined {
    return this.#begun.get(`${topic}/${partition}`);
  }

  previous(topic: string, partition: number, offset: bigint): Previous | undefined {
    const previous = this.#previous.get(topic)?.get(partition);
    return previous !== undefined && previous.offset < offset ? previous : undefined;
  }

  remember(topic: string, partition: number, record: Omit<Previous, 'place'>, place: Place | undefined): void {
    let partitions = this.#previous.get(topic);
    if (partitions === undefined) this.#previous.set(topic, (partitions = new Map<number, Previous>()));
    // Fetched again by its coordinates, or left over from before the partition was taken up: what precedes the next record is another.
    const newest = partitions.get(partition)?.offset ?? this.begun(topic, partition) ?? 0n;
    if (record.offset < newest) return;
    const inherited = place ?? this.previous(topic, partition, record.offset)?.place;
    partitions.set(partition, { ...record, place: inherited });
  }

  shape(topic: string): Shape | undefined {
    return this.#shapes.get(topic);
  }

  learn(topic: string, shape: Shape): void {
    this.#shapes.set(topic, shape);
  }
}
