import type { Delivery } from '../../src/domain/change.ts';
import { partitionId, type PartitionId } from '../../src/domain/ids.ts';
import type { Instant } from '../../src/domain/time.ts';
import { snapshotVersion } from '../../src/domain/version.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { SnapshotProgress } from '../../src/ports/source.ts';
import type { TableState } from './checkpoint.ts';
import type { Sample } from './freshness.ts';
import type { Lsn } from './lsn.ts';
import { Watermark } from './marks.ts';
import type { Chunk, RowReader } from './rows.ts';
import type { TablePlan } from './table-plan.ts';

/**
 * The copy of one table: where it is read up to, handed over up to, and settled up to. Survives reconnects in memory and restarts in the
 * checkpoint, where only what is settled counts.
 */
export class TableSnapshot {
  readonly partition: PartitionId;
  readonly plan: TablePlan;
  readonly #epoch: number;
  readonly #state: TableState;
  readonly #committed: Watermark;
  /** Chunks handed over and not settled: offset of the last row, and where to go on after it. */
  readonly #open: { readonly lastOffset: bigint; readonly cursor: readonly string[] }[] = [];
  #offset: bigint;
  #cursor: readonly string[] | undefined;
  #allRead = false;
  #finishedSent = false;

  constructor(streamPartition: PartitionId, plan: TablePlan, epoch: number, state: TableState, clock: Clock) {
    this.partition = partitionId(`${streamPartition}/snapshot/${plan.id}`);
    this.plan = plan;
    this.#epoch = epoch;
    this.#state = state;
    this.#offset = BigInt(state.snapshot.rows);
    this.#cursor = state.snapshot.cursor;
    this.#committed = new Watermark(clock);
    this.#committed.set(this.#offset);
  }

  get isFinished(): boolean {
    return this.#state.snapshot.finished;
  }

  get hasBegun(): boolean {
    return this.#cursor !== undefined;
  }

  get progress(): SnapshotProgress {
    const { id, rowsEstimate } = this.plan;
    // The last offset is not a row's: it says that the table is complete.
    const rowsRead = Number(this.#offset) - (this.#finishedSent ? 1 : 0);
    return { table: id, rowsRead, rowsTotal: rowsEstimate, finished: this.isFinished };
  }

  /** True when the checkpoint has changed. */
  commit(offset: bigint): boolean {
    const { snapshot } = this.#state;
    this.#committed.set(offset);
    let changed = false;
    for (let first = this.#open[0]; first !== undefined && first.lastOffset <= offset; first = this.#open[0]) {
      this.#open.shift();
      snapshot.cursor = [...first.cursor];
      snapshot.rows = Number(first.lastOffset);
      changed = true;
    }
    if (this.#finishedSent && offset >= this.#offset && !snapshot.finished) {
      snapshot.finished = true;
      delete snapshot.cursor;
      changed = true;
    }
    return changed;
  }

  /** Reads the rest of the table. A chunk is handed over once everything logged before the end of its SELECT is settled. */
  async copy(deps: SnapshotDeps, signal: AbortSignal): Promise<void> {
    if (!this.hasBegun) await deps.olderTransactionsEnded(signal);
    let pending = this.#allRead ? undefined : deps.reader.chunk(this.plan, this.#cursor);
    while (pending !== undefined) {
      const chunk: Chunk = await pending;
      const read = await deps.sample();
      pending = chunk.last ? undefined : deps.reader.chunk(this.plan, chunk.cursor);
      pending?.catch(() => undefined);
      await deps.settled(read.lsn, signal);
      await this.#handOver(chunk, read.at, deps);
    }
    this.#allRead = true;
  }

  async #handOver(chunk: Chunk, readAt: Instant, deps: SnapshotDeps): Promise<void> {
    const version = snapshotVersion(this.#epoch);
    let offset = this.#offset;
    const deliveries = chunk.rows.map(({ key, row, bytes }): Delivery => {
      offset += 1n;
      const event = {
        kind: 'row-upserted',
        table: this.plan.id,
        key,
        row,
        version,
        committedAt: readAt,
        snapshot: true,
      } as const;
      return {
        position: { partition: this.partition, offset },
        endsPosition: true,
        event,
        receivedAt: deps.now(),
        bytes,
      };
    });
    if (chunk.cursor !== undefined) this.#open.push({ lastOffset: offset, cursor: chunk.cursor });
    this.#offset = offset;
    this.#cursor = chunk.cursor ?? this.#cursor;
    this.#allRead = chunk.last;
    await deps.deliver(deliveries);
    deps.progress(this.progress, false);
  }

  /** Says that the table is complete, once every row of it is settled. */
  async finish(deps: SnapshotDeps, signal: AbortSignal): Promise<void> {
    while (!this.#committed.has(this.#offset)) await this.#committed.moved(1_000, signal);
    if (this.#finishedSent) return;
    this.#finishedSent = true;
    this.#offset += 1n;
    const event = {
      kind: 'snapshot-finished',
      table: this.plan.id,
      epoch: this.#epoch,
      committedAt: deps.now(),
    } as const;
    const position = { partition: this.partition, offset: this.#offset };
    await deps.deliver([{ position, endsPosition: true, event, receivedAt: deps.now(), bytes: 100 }]);
    deps.progress(this.progress, true);
  }
}

export interface SnapshotDeps {
  readonly reader: RowReader;
  readonly sample: () => Promise<Sample>;
  /** Resolves once the stream's settled mark has passed the position. */
  readonly settled: (lsn: Lsn, signal: AbortSignal) => Promise<void>;
  /** Hands over, in order, and wholly even when the connection is lost meanwhile: what is handed over is not read again. */
  readonly deliver: (deliveries: readonly Delivery[]) => Promise<void>;
  readonly olderTransactionsEnded: (signal: AbortSignal) => Promise<void>;
  readonly progress: (progress: SnapshotProgress, finished: boolean) => void;
  readonly now: () => Instant;
}

/** One table after the other; the end of one is awaited while the next is read. */
export async function copyTables(
  tables: readonly TableSnapshot[],
  deps: SnapshotDeps,
  signal: AbortSignal,
): Promise<void> {
  const finishing: Promise<void>[] = [];
  for (const table of tables) {
    if (table.isFinished) continue;
    await table.copy(deps, signal);
    const finish = table.finish(deps, signal);
    finish.catch(() => undefined);
    finishing.push(finish);
  }
  await Promise.all(finishing);
}
