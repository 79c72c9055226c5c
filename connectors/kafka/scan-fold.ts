import { UNCHANGED, type Row, type RowChange } from '../../src/domain/change.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import type { Instant } from '../../src/domain/time.ts';
import type { DecodedRecord, KafkaRecord } from './record.ts';

/** `topic/partition/offset`: where a record lies. */
export type Place = string;

export const placeOf = ({ topic, partition, offset }: Pick<KafkaRecord, 'topic' | 'partition' | 'offset'>): Place =>
  `${topic}/${partition}/${offset}`;

/** Where the value of a column that was left out stands: in a record, or wherever the row had it under its old key. */
type Supplier = Place | { readonly movedFrom: RowKey; readonly to: RowKey; readonly column: string };

interface KeyState {
  readonly place: Place;
  readonly timestamp: number;
  readonly sourcePosition: SourcePosition | undefined;
  readonly committedAt: Instant;
  /** Columns that the row's last record left out. */
  readonly missing: ReadonlyMap<string, Supplier | undefined> | undefined;
}

/** What of the log gives a table's rows, and from where: records are read again, only their places are kept. */
export interface ScanPlan {
  /** The last record of each row. */
  readonly rows: ReadonlyMap<Place, RowKey>;
  /** Of rows whose last record left columns out: where each is. A column without a place is nowhere in the log. */
  readonly missing: ReadonlyMap<RowKey, ReadonlyMap<string, Place>>;
}

/** A snapshot of a table that lies in the log from its first record to its last. */
export interface WholeSnapshot {
  /** Time of its first record in Kafka, in milliseconds. */
  readonly startedAt: number;
}

/**
 * Folds the records of a table to the last one of each row, as the pipeline would: what is sent again under a higher offset is old, a TRUNCATE
 * removes all at or below its position. Records of one partition come in order, partitions in any.
 */
export class TableFold {
  readonly #table: TableId;
  readonly #keys = new Map<RowKey, KeyState>();
  /** What was known of a row when its key changed, by new and old key: the create may lie in another partition. */
  readonly #moved = new Map<string, KeyState>();
  #truncatedAt: SourcePosition | undefined;
  #snapshotStarts: number[] = [];
  #snapshotEndedAt: number | undefined;

  constructor(table: TableId) {
    this.#table = table;
  }

  add(record: KafkaRecord, decoded: DecodedRecord): void {
    const { event } = decoded;
    if (event.kind === 'table-truncated' && event.table === this.#table) {
      const { sourcePosition } = event;
      if (this.#truncatedAt === undefined || sourcePosition > this.#truncatedAt) this.#truncatedAt = sourcePosition;
    }
    if ((event.kind !== 'row-upserted' && event.kind !== 'row-deleted') || event.table !== this.#table) return;
    this.#noteSnapshot(record, decoded);
    const before = this.#keys.get(event.key);
    if (before !== undefined && isResend(event, before)) return;
    if (event.kind === 'row-upserted') {
      this.#keys.set(event.key, stateOf(record, event, event.row, before, decoded.movedFrom));
      return;
    }
    if (decoded.movedTo !== undefined && before !== undefined) {
      this.#moved.set(moveName(event.key, decoded.movedTo), before);
    }
    this.#keys.delete(event.key);
  }

  /** The last snapshot that is in the log from end to end. */
  wholeSnapshot(): WholeSnapshot | undefined {
    const ended = this.#snapshotEndedAt;
    const startedAt = this.#snapshotStarts
      .filter((start) => ended !== undefined && start <= ended)
      .sort((a, b) => a - b)
      .at(-1);
    return startedAt === undefined ? undefined : { startedAt };
  }

  /** @param since rows whose last record is older are not in the snapshot that began then, and so no more */
  plan(since = -Infinity): ScanPlan {
    const rows = new Map<Place, RowKey>();
    const missing = new Map<RowKey, ReadonlyMap<string, Place>>();
    for (const [key, state] of this.#keys) {
      if (state.timestamp < since || this.#isTruncated(state)) continue;
      rows.set(state.place, key);
      if (state.missing === undefined) continue;
      const found = [...state.missing].flatMap(([column, supplier]): [string, Place][] => {
        const place = this.#resolve(supplier);
        return place === undefined ? [] : [[column, place]];
      });
      missing.set(key, new Map(found));
    }
    return { rows, missing };
  }

  #noteSnapshot({ timestamp }: KafkaRecord, { snapshot }: DecodedRecord): void {
    if (snapshot === undefined) return;
    const { marker } = snapshot;
    if (marker === 'first' || marker === 'first_in_data_collection') this.#snapshotStarts.push(timestamp);
    if (marker === 'last' || marker === 'last_in_data_collection') {
      this.#snapshotEndedAt = Math.max(this.#snapshotEndedAt ?? timestamp, timestamp);
    }
  }

  /** A row that was only read is no news of a truncated table: what is in it since was streamed. */
  #isTruncated({ sourcePosition }: KeyState): boolean {
    return this.#truncatedAt !== undefined && (sourcePosition === undefined || sourcePosition <= this.#truncatedAt);
  }

  #resolve(supplier: Supplier | undefined, hops = 0): Place | undefined {
    if (supplier === undefined || typeof supplier === 'string') return supplier;
    // A row moved there and back again names itself; one that moved on and on is followed for a while.
    if (hops > 100) return undefined;
    const { movedFrom, to, column } = supplier;
    const state = this.#moved.get(moveName(movedFrom, to));
    if (state === undefined) return undefined;
    return state.missing?.has(column) === true ? this.#resolve(state.missing.get(column), hops + 1) : state.place;
  }
}

const moveName = (from: RowKey, to: RowKey): string => `${from}\n${to}`;

function isResend(event: RowChange, before: KeyState): boolean {
  return (
    event.sourcePosition !== undefined &&
    before.sourcePosition !== undefined &&
    event.sourcePosition <= before.sourcePosition &&
    event.committedAt <= before.committedAt
  );
}

function stateOf(
  record: KafkaRecord,
  { sourcePosition, committedAt, key }: RowChange,
  row: Row,
  before: KeyState | undefined,
  movedFrom: RowKey | undefined,
): KeyState {
  let missing: Map<string, Supplier | undefined> | undefined;
  for (const column of Object.keys(row)) {
    if (row[column] !== UNCHANGED) continue;
    missing ??= new Map();
    if (movedFrom !== undefined) missing.set(column, { movedFrom, to: key, column });
    else missing.set(column, before?.missing?.has(column) === true ? before.missing.get(column) : before?.place);
  }
  // Reads leave the lineage of the row alone.
  const lineage =
    sourcePosition === undefined && before?.sourcePosition !== undefined ? before : { sourcePosition, committedAt };
  return {
    place: placeOf(record),
    timestamp: record.timestamp,
    sourcePosition: lineage.sourcePosition,
    committedAt: lineage.committedAt,
    missing,
  };
}
