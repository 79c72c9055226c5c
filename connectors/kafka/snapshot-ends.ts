import type { Delivery } from '../../src/domain/change.ts';
import { partitionId, tableId, type PartitionId, type TableId } from '../../src/domain/ids.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Offsets } from './client/client.ts';
import type { SnapshotMarker } from './record.ts';
import type { StateStore } from './state.ts';

export interface SnapshotEndsDeps {
  readonly name: string;
  readonly tables: readonly TableId[];
  readonly store: StateStore;
  readonly clock: Clock;
  /** Of all topics, now. */
  readonly ends: () => Promise<Offsets>;
}

interface Pending {
  readonly ends: Offsets;
  isTold: boolean;
}

const DELIVERY_BYTES = 200;

/**
 * Tells when the snapshot of an epoch above 0 is in, so that what it did not bring again can be hidden. The last row of it was seen in one
 * partition; others may still hold rows that came before it. So: end offsets read after that row, and all partitions of all topics of the
 * group passed them. What was seen is stored before its row can be committed, and every instance may tell the end: it is told by an event
 * that changes nothing when told twice.
 *
 * `last` is the last row of the connector's whole snapshot: also of tables that were empty, and have no row that says so. Other topics of
 * the source, of another connector, were read again in this epoch up to the same ends: what they hold is in, whatever is hidden below it.
 */
export class SnapshotEnds {
  readonly #deps: SnapshotEndsDeps;
  #epoch = 0;
  readonly #pending = new Map<string, Pending>();
  readonly #queue: Delivery[] = [];
  /** Told so far: each end is a position of its own, also when a table's snapshot is read again. */
  #count = 0n;

  constructor(deps: SnapshotEndsDeps) {
    this.#deps = deps;
  }

  /** Goes on with what was seen and not told before a restart. */
  async begin(epoch: number): Promise<void> {
    this.#epoch = epoch;
    if (epoch === 0) return;
    const { store, tables } = this.#deps;
    await Promise.all(
      tables.map(async (table) => {
        const [seen, told] = await Promise.all([store.snapshotSeen(table, epoch), store.snapshotTold(table, epoch)]);
        if (seen !== undefined && !isSame(seen, told)) this.#pending.set(table, { ends: seen, isTold: false });
      }),
    );
  }

  get isPending(): boolean {
    return this.#pending.size > 0;
  }

  /**
   * A row with a marker was read. Resolves once that is stored; only then may the row be handed on.
   * @param table undefined for the last row of a snapshot that was of no table of ours
   */
  async seen(table: TableId | undefined, marker: SnapshotMarker): Promise<void> {
    if (this.#epoch === 0 || (marker !== 'last' && marker !== 'last_in_data_collection')) return;
    const own = table === undefined ? [] : [table];
    const tables = marker === 'last' ? new Set([...this.#deps.tables, ...own]) : own;
    const ends = await this.#deps.ends();
    for (const name of tables) {
      this.#pending.set(name, { ends, isTold: false });
      await this.#deps.store.saveSnapshotSeen(name, this.#epoch, ends);
    }
  }

  /** @param settled what the group passed, by partition; true when there is something to take */
  check(settled: (key: string) => bigint | undefined): boolean {
    for (const [table, pending] of this.#pending) {
      if (pending.isTold) continue;
      if (![...pending.ends].every(([key, end]) => end === 0n || (settled(key) ?? -1n) >= end)) continue;
      pending.isTold = true;
      this.#queue.push(this.#delivery(tableId(table)));
    }
    return this.#queue.length > 0;
  }

  take(): Delivery | undefined {
    return this.#queue.shift();
  }

  /** The consumer settled what it was told. */
  async commit(partitions: readonly PartitionId[]): Promise<void> {
    for (const [table, pending] of [...this.#pending]) {
      if (!pending.isTold || !partitions.includes(this.#partition(table))) continue;
      await this.#deps.store.saveSnapshotTold(table, this.#epoch, pending.ends);
      // Unless another end was seen meanwhile.
      if (this.#pending.get(table) === pending) this.#pending.delete(table);
    }
  }

  #partition(table: string): PartitionId {
    return partitionId(`${this.#deps.name}/${table}/snapshot`);
  }

  #delivery(table: TableId): Delivery {
    const now = this.#deps.clock.now();
    return {
      position: { partition: this.#partition(table), offset: (this.#count += 1n) },
      endsPosition: true,
      event: { kind: 'snapshot-finished', table, epoch: this.#epoch, committedAt: now },
      receivedAt: now,
      bytes: DELIVERY_BYTES,
    };
  }
}

const isSame = (seen: Offsets, told: Offsets | undefined): boolean =>
  told?.size === seen.size && [...seen].every(([key, end]) => told.get(key) === end);
