import type { Delivery, Position, Row } from '../../src/domain/change.ts';
import { abortedError, FreshetError, kindOf } from '../../src/domain/errors.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import type { RowLookup, RowScan } from '../../src/ports/rows.ts';
import type { Source, SourceFreshness, TokenSource } from '../../src/ports/source.ts';
import { backoffMs } from '../../src/runtime/backoff.ts';
import { CheckpointStore } from './checkpoint.ts';
import { Database } from './connection.ts';
import { Decoders } from './decode.ts';
import { EpochState } from './epoch-state.ts';
import { Restart, setupError } from './errors.ts';
import { AsOf } from './freshness.ts';
import { formatLsn, parseLsn, type Lsn } from './lsn.ts';
import { reach, Watermark } from './marks.ts';
import { DEFAULT_LIMITS, type PostgresLimits, type PostgresSourceOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import { prepare } from './prepare.ts';
import { Receiver } from './receiver.ts';
import { RowReader } from './rows.ts';
import { runSession } from './session.ts';
import { TableRows } from './table-rows.ts';
import { readToken, tokenTarget } from './tokens.ts';

export interface PostgresSource extends Source, TokenSource, RowLookup, RowScan {
  /**
   * `snapshot` copies every table again in a new epoch. A position (LSN) cannot be gone back to: the server discards log as soon as it is
   * acknowledged; the error says where it begins.
   */
  replay(from: string): Promise<{ readonly message: string }>;
}

const RECONNECT = { firstMs: 100, maxMs: 5_000 };
const STABLE_MS = 2_000;
const PATIENCE_MS = 500;

/** Changes of PostgreSQL tables by logical replication (pgoutput, protocol 1). Nothing is connected before `read` or a look-up. */
export function createPostgresSource(options: PostgresSourceOptions): PostgresSource {
  return new LogicalReplicationSource(options);
}

class LogicalReplicationSource implements PostgresSource {
  readonly name: string;
  readonly origin: string;
  readonly #options: PostgresSourceOptions;
  readonly #limits: PostgresLimits;
  readonly #database: Database;
  readonly #decoders: Decoders;
  readonly #reader: RowReader;
  readonly #rows: TableRows;
  readonly #store: CheckpointStore;
  readonly #outbox: Outbox;
  readonly #settled: Watermark;
  readonly #asOf = new AsOf();
  readonly #gauges: Record<string, number> = {};
  readonly #closed = new AbortController();
  #epoch: EpochState | undefined;
  #receiver: Receiver | undefined;
  #isConnected = false;
  #nudge: (lsn: Lsn, attempt: number) => void = () => undefined;
  #restart = new AbortController();
  #isReading = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PostgresSourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#database = new Database(options.connectionString, options.name);
    this.#decoders = new Decoders(this.#database);
    this.#reader = new RowReader(this.#database, this.#decoders, this.#limits.chunkBytes);
    this.#rows = new TableRows(this.#database, this.#reader, options.tables);
    this.origin = this.#rows.origin;
    this.#store = new CheckpointStore(options.checkpoints, options.name);
    this.#outbox = new Outbox({ maxBytes: this.#limits.outboxBytes, maxItems: this.#limits.outboxItems });
    this.#settled = new Watermark(options.clock);
  }

  async *read(signal: AbortSignal): AsyncGenerator<Delivery> {
    if (this.#isReading) throw setupError('READ_TWICE', `Source "${this.name}" is read already.`);
    this.#isReading = true;
    const stopped = new AbortController();
    const lifetime = AbortSignal.any([signal, stopped.signal, this.#closed.signal]);
    lifetime.addEventListener('abort', () => this.#outbox.end(), { once: true });
    this.#running = this.#run(lifetime).then(
      () => this.#outbox.end(),
      (error: unknown) => this.#outbox.end(kindOf(error) === 'aborted' ? undefined : error),
    );
    try {
      for (let delivery = await this.#outbox.take(); delivery !== undefined; delivery = await this.#outbox.take()) {
        this.#epoch?.took(delivery.position, delivery.endsPosition);
        yield delivery;
      }
    } finally {
      stopped.abort();
      await this.#untilIdle();
    }
  }

  /** A statement may wait for a lock, or a slot for a transaction, as long as somebody else likes. */
  async #untilIdle(): Promise<void> {
    let isIdle = false;
    const idle = this.#running.then(() => (isIdle = true));
    while (!isIdle) {
      const over = new AbortController();
      await Promise.race([idle, this.#options.clock.sleep(PATIENCE_MS, over.signal).catch(() => undefined)]);
      over.abort();
      if (!isIdle) await this.#database.cancelLongerThan(PATIENCE_MS).catch(() => undefined);
    }
  }

  /** Connects, and connects again after every failure that may pass. */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let reason: string | undefined;
    let connectedAt = Infinity;
    for (let attempt = 0, isFirst = true; !signal.aborted; ) {
      const restart = (this.#restart = new AbortController());
      try {
        await this.#session(
          { isFirst, reason },
          () => {
            connectedAt = clock.monotonic();
            isFirst = false;
            reason = undefined;
          },
          restart.signal,
          signal,
        );
      } catch (error) {
        this.#isConnected = false;
        if (signal.aborted) return;
        const cause: unknown = restart.signal.aborted ? restart.signal.reason : error;
        if (cause instanceof Restart) {
          reason = cause.newEpoch ?? reason;
          continue;
        }
        const mayPass =
          kindOf(cause) === 'transient' ||
          (!isFirst && cause instanceof FreshetError && cause.code === 'POSTGRES_STANDBY');
        if (!mayPass) throw cause;
        // A connection that fails as soon as it is made is no recovery.
        attempt = clock.monotonic() - connectedAt > STABLE_MS ? 1 : attempt + 1;
        connectedAt = Infinity;
        await this.#backOff(cause as FreshetError, attempt, signal);
      }
    }
  }

  async #backOff(error: FreshetError, attempt: number, signal: AbortSignal): Promise<void> {
    const { clock, observer, random = Math.random } = this.#options;
    const delayMs = backoffMs(attempt, RECONNECT, random());
    observer.emit({ type: 'retry', what: `source ${this.name}`, code: error.code, attempt, delayMs });
    // Louder as it goes on: a server that restarts is back within seconds.
    this.#say(attempt < 5 ? 'info' : 'warn', error.code, `${error.message} Trying again (attempt ${attempt}).`);
    await clock.sleep(delayMs, signal);
  }

  async #session(
    { isFirst, reason }: { readonly isFirst: boolean; readonly reason: string | undefined },
    onConnected: () => void,
    restart: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> {
    const { tables, slot, publication, clock, observer } = this.#options;
    const receiver = new Receiver({
      config: this.#options.connectionString,
      name: this.name,
      clock,
      maxBytes: this.#limits.receiveBytes,
      durable: () => this.#store.durable ?? 0n,
    });
    try {
      const common = {
        name: this.name,
        database: this.#database,
        receiver,
        store: this.#store,
        tables,
        slot,
        publication,
        clock,
        say: this.#say,
      };
      const { server, plans, checkpoint, isNewEpoch } = await prepare(
        { ...common, drained: async (inner) => this.#epoch?.drained(inner) },
        { isFirst, furthest: this.#epoch?.progress.end ?? 0n, epochReason: reason },
        signal,
      );
      this.#rows.know(plans);
      if (isFirst || isNewEpoch) this.#beginEpoch(new EpochState(this.name, checkpoint, plans, clock));
      const epoch = this.#epoch as unknown as EpochState;
      epoch.keepOnly(plans);
      await receiver.start(slot, publication, epoch.progress.end);
      this.#receiver = receiver;
      this.#isConnected = true;
      onConnected();
      this.#say(
        'info',
        'CONNECTED',
        `Source "${this.name}" follows ${plans.length} table(s) from ${formatLsn(epoch.progress.end)}, epoch ${checkpoint.epoch}.`,
      );
      await runSession(
        {
          ...common,
          limits: this.#limits,
          observer,
          decoders: this.#decoders,
          reader: this.#reader,
          server,
          plans,
          epoch,
          settled: this.#settled,
          asOf: this.#asOf,
          gauges: this.#gauges,
          deliver: (lane, delivery) => this.#outbox.push(lane, delivery, signal),
          setNudge: (nudge) => (this.#nudge = nudge),
          restart,
        },
        signal,
      );
    } finally {
      this.#isConnected = false;
      this.#receiver = undefined;
      await receiver.close();
    }
  }

  #beginEpoch(epoch: EpochState): void {
    this.#outbox.clear();
    this.#asOf.reset();
    this.#epoch = epoch;
    this.#settled.set(epoch.acknowledger.mark, true);
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const epoch = this.#epoch;
    if (epoch === undefined) return;
    let changed = false;
    for (const position of positions) changed = epoch.commit(position) || changed;
    if (!changed) return;
    this.#settled.set(epoch.acknowledger.mark);
    await this.#store.save();
    this.#receiver?.sendStatus(false);
  }

  /** A slot has one reader: partitions are never taken away. */
  onRevoked(): void {}

  freshness(): Promise<SourceFreshness> {
    const epoch = this.#epoch;
    const mark = this.#settled.value;
    const snapshotFinished = epoch?.snapshotFinished ?? false;
    const open = epoch?.snapshots.filter(({ isFinished }) => !isFinished) ?? [];
    const known = snapshotFinished && mark !== undefined;
    return Promise.resolve({
      source: this.name,
      connected: this.#isConnected,
      partitions:
        epoch === undefined
          ? []
          : [
              {
                partition: epoch.partition,
                // While a table is being copied, what was committed to it before is not all there.
                asOf: known ? this.#asOf.at(mark) : undefined,
                lagEvents: this.#outbox.size,
                lagMs: known ? this.#asOf.lagMs(mark) : undefined,
              },
              ...open.map(({ partition }) => ({ partition, asOf: undefined, lagEvents: undefined, lagMs: undefined })),
            ],
      snapshotFinished,
      snapshots: epoch?.snapshots.map(({ progress }) => progress) ?? [],
      gauges: { ...this.#gauges },
    });
  }

  coveredToken(): string | undefined {
    return this.#settled.value === undefined ? undefined : formatLsn(this.#settled.value);
  }

  async currentToken(_signal: AbortSignal): Promise<string> {
    return formatLsn(await readToken(this.#database));
  }

  async reached(token: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const target = await tokenTarget(this.#database, token);
    if (this.#settled.has(target)) return true;
    const timeUp = new AbortController();
    const both = AbortSignal.any([signal, timeUp.signal]);
    const waiting = reach(this.#settled, target, (lsn, attempt) => this.#nudge(lsn, attempt), both).then(() => true);
    const timer = this.#options.clock.sleep(waitMs, both).then(() => false);
    try {
      return await Promise.race([waiting, timer]);
    } finally {
      timeUp.abort();
      await Promise.allSettled([waiting, timer]);
    }
  }

  row(table: TableId, key: RowKey, signal: AbortSignal): Promise<Row | undefined> {
    return this.#rows.row(table, key, signal);
  }

  rows(table: TableId, signal: AbortSignal): AsyncIterable<{ readonly key: RowKey; readonly row: Row }> {
    return this.#rows.rows(table, signal);
  }

  async replay(from: string): Promise<{ readonly message: string }> {
    const position = parseLsn(from);
    if (position !== undefined || from !== 'snapshot') {
      const begins = this.#store.durable === undefined ? 'what was acknowledged' : formatLsn(this.#store.durable);
      throw new FreshetError(
        'REPLAY_OUT_OF_REACH',
        'poison',
        `PostgreSQL keeps log only from the acknowledged position on (${begins}), and that is delivered anyway. Replay from "snapshot" instead.`,
      );
    }
    if (!this.#isReading || this.#closed.signal.aborted) {
      throw new FreshetError(
        'NOT_READING',
        'poison',
        `Source "${this.name}" is not running, so there is nothing to replay into.`,
      );
    }
    this.#restart.abort(new Restart('a replay was asked for'));
    return Promise.resolve({ message: `Source "${this.name}" copies its tables again in a new epoch.` });
  }

  readonly #say = (level: 'info' | 'warn' | 'error', code: string, message: string): void =>
    this.#options.observer.emit({ type: 'source', source: this.name, level, code, message });

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(abortedError());
    await this.#untilIdle();
    const { durable } = this.#store;
    if (this.#epoch !== undefined && durable !== undefined && this.#epoch.checkpoint.position > durable)
      await this.#store.save();
    await this.#database.end();
  }
}
