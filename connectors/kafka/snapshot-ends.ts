import type { Delivery } from '../../src/domain/change.ts';
import { partitionId, tableId, type PartitionId, type TableId } from '../../src/domain/ids.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Offsets } from './client/client.ts';
import type { SnapshotMarker } from './record.ts';
import type { PendingSnapshot, StateStore } from './state.ts';

export interface SnapshotEndsDeps {
  readonly name: string;
  readonly tables: readonly TableId[];
  readonly store: StateStore;
  readonly clock: Clock;
  /** Of all topics, now. */
  readonly ends: () => Promise<Offsets>;
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
  #pending: PendingSnapshot[] = [];
  #told = new Set<string>();
  readonly #queue: Delivery[] = [];

  constructor(deps: SnapshotEndsDeps) {
    this.#deps = deps;
  }

  begin(epoch: number, pending: readonly PendingSnapshot[]): void {
    this.#epoch = epoch;
    this.#pending = [...pending];
  }

  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /** A row with a marker was read. Resolves once that is stored; only then may the row be handed on. */
  async seen(table: TableId, marker: SnapshotMarker): Promise<void> {
    if (this.#epoch === 0 || (marker !== 'last' && marker !== 'last_in_data_collection')) return;
    const tables = marker === 'last' ? [...new Set([...this.#deps.tables, table])] : [table];
    const ends = Object.fromEntries(await this.#deps.ends());
    const more = tables.map((name) => ({ table: String(name), ends }));
    this.#pending = [...this.#pending.filter((one) => !more.some((other) => other.table === one.table)), ...more];
    for (const { table: name } of more) this.#told.delete(name);
    const { store } = this.#deps;
    const state = await store.source();
    if (state === undefined || state.epoch !== this.#epoch) return;
    const others = state.pending.filter((one) => !more.some((other) => other.table === one.table));
    await store.saveSource({ ...state, pending: [...others, ...more] });
  }

  /** @param settled what the group passed, by partition; true when there is something to take */
  check(settled: (key: string) => bigint | undefined): boolean {
    for (const { table, ends } of this.#pending) {
      if (this.#told.has(table)) continue;
      if (!Object.entries(ends).every(([key, end]) => end === 0n || (settled(key) ?? -1n) >= end)) continue;
      this.#told.add(table);
      this.#queue.push(this.#delivery(tableId(table)));
    }
    return this.#queue.length > 0;
  }

  take(): Delivery | undefined {
    return this.#queue.shift();
  }

  /** The consumer settled what it was told. */
  async commit(partitions: readonly PartitionId[]): Promise<void> {
    const done = this.#pending.filter(({ table }) => partitions.includes(this.#partition(table)));
    if (done.length === 0) return;
    const tables = done.map(({ table }) => table);
    const { store } = this.#deps;
    const state = await store.source();
    if (state?.epoch === this.#epoch) {
      const pending = state.pending.filter(({ table }) => !tables.includes(table));
      await store.saveSource({ ...state, pending, finished: [...new Set([...state.finished, ...tables])] });
    }
    this.#pending = this.#pending.filter(({ table }) => !tables.includes(table));
  }

  #partition(table: string): PartitionId {
    return partitionId(`${this.#deps.name}/${table}/snapshot`);
  }

  #delivery(table: TableId): Delivery {
    const now = this.#deps.clock.now();
    return {
      position: { partition: this.#partition(table), offset: BigInt(this.#epoch) },
      endsPosition: true,
      event: { kind: 'snapshot-finished', table, epoch: this.#epoch, committedAt: now },
      receivedAt: now,
      bytes: DELIVERY_BYTES,
    };
  }
}
