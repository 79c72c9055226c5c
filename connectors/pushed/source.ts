import type { Delivery, Position, Row } from '../../src/domain/change.ts';
import type { Redacted } from '../../src/domain/document.ts';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import {
  partitionId,
  pushedDocumentId,
  tableId,
  type DocumentId,
  type PartitionId,
  type RowKey,
  type TableId,
  type TenantId,
} from '../../src/domain/ids.ts';
import type { Instant } from '../../src/domain/time.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { PushedLog, PushedOutcome, PushedRecord, PushedWrite } from '../../src/ports/pushed-log.ts';
import type { RowLookup, RowScan } from '../../src/ports/rows.ts';
import type { Source, SourceFreshness, TokenSource } from '../../src/ports/source.ts';
import { bytesOf, changeOf, pushedKey, rowOf } from './rows.ts';
import { pushToken, readPushToken, storedSequence } from './tokens.ts';
import { Wakeup } from './wakeup.ts';

/** What a caller pushes, after redaction. */
export type PushedInput = PushedRecord & { readonly sourceVersion?: number };

export interface PushedReceipt {
  readonly id: DocumentId;
  readonly externalId: string;
  readonly accepted: boolean;
  readonly reason?: 'superseded' | 'duplicate';
  readonly token: string;
}

export interface PushedSource extends Source, TokenSource, RowLookup, RowScan {
  readonly table: TableId;
  /** Resolves once all are durable. One receipt per document, in order; all share one transaction. */
  put(documents: readonly Redacted<PushedInput>[]): Promise<readonly PushedReceipt[]>;
  /** Of a document that was never pushed too: an upsert with a lower `sourceVersion` that comes later stays dead. */
  delete(id: string, options: { readonly tenant: TenantId; readonly sourceVersion?: number }): Promise<PushedReceipt>;
}

export interface PushedSourceOptions {
  readonly log: PushedLog;
  /** Of the index this source feeds: an index built anew has none, and is given every document again. */
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  /** Also the prefix of its tokens. Default `push`. */
  readonly name?: string;
  /** Woken by every append; shared by all sources that read this log, each for its own index. */
  readonly written?: Wakeup;
}

const PAGE_ENTRIES = 100;
/** Many documents in one millisecond take sequences of the next ones, each of a microsecond. */
const BURST_MS = 1_000;

export function createPushedSource(options: PushedSourceOptions): PushedSource {
  return new Pushed(options);
}

class Pushed implements PushedSource {
  readonly name: string;
  readonly origin = 'the log of pushed documents';
  readonly table: TableId;
  readonly #partition: PartitionId;
  readonly #options: PushedSourceOptions;
  readonly #written: Wakeup;
  readonly #settled = new Wakeup();
  /** Everything at or below it is settled. Undefined until the checkpoint was read. */
  #mark: number | undefined;
  /** The end of the log when reading began: past it, the index has its first whole copy. */
  #backlog = Number.POSITIVE_INFINITY;

  constructor(options: PushedSourceOptions) {
    this.name = options.name ?? 'push';
    this.table = tableId(`${this.name}.documents`);
    this.#partition = partitionId(this.name);
    this.#options = options;
    this.#written = options.written ?? new Wakeup();
  }

  async put(documents: readonly Redacted<PushedInput>[]): Promise<readonly PushedReceipt[]> {
    const outcomes = await this.#append(
      documents.map(({ sourceVersion, ...record }) => ({
        key: pushedKey(record.tenant, record.id),
        document: record as Redacted<PushedRecord>,
        sourceVersion: checked(sourceVersion),
      })),
    );
    return documents.map(({ id, tenant }, at) => this.#receipt(id, tenant, outcomes[at]!));
  }

  async delete(
    id: string,
    options: { readonly tenant: TenantId; readonly sourceVersion?: number },
  ): Promise<PushedReceipt> {
    const sourceVersion = checked(options.sourceVersion);
    const [outcome] = await this.#append([{ key: pushedKey(options.tenant, id), document: undefined, sourceVersion }]);
    return this.#receipt(id, options.tenant, outcome!);
  }

  async *read(signal: AbortSignal): AsyncGenerator<Delivery> {
    const { log, clock } = this.#options;
    let cursor = await this.#loadMark();
    this.#backlog = await log.last();
    while (!signal.aborted) {
      const seen = this.#written.count;
      const entries = await log.after(cursor, PAGE_ENTRIES);
      for (const entry of entries) {
        if (signal.aborted) return;
        yield {
          position: { partition: this.#partition, offset: BigInt(entry.sequence) },
          endsPosition: true,
          event: changeOf(entry, this.table),
          receivedAt: clock.now(),
          bytes: bytesOf(entry),
        };
        cursor = entry.sequence;
      }
      if (entries.length === 0) await this.#written.after(seen, signal).catch(onlyAborted);
    }
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const mark = await this.#loadMark();
    const highest = Math.max(
      ...positions.filter(({ partition }) => partition === this.#partition).map(({ offset }) => Number(offset)),
    );
    if (highest <= mark) return;
    await this.#options.checkpoints.save(this.name, { sequence: highest });
    this.#mark = Math.max(this.#mark ?? 0, highest);
    this.#settled.wake();
  }

  onRevoked(): void {
    // One process owns the log for as long as it runs.
  }

  async freshness(): Promise<SourceFreshness> {
    const { log, clock } = this.#options;
    const now = clock.now();
    const mark = await this.#loadMark();
    const [lagEvents, [oldest], last] = await Promise.all([log.countAfter(mark), log.after(mark, 1), log.last()]);
    // With the clock behind the log, what came after the oldest may carry an earlier time than it: nothing is known then.
    const isClockBack = lagEvents > 1 && now + BURST_MS < timeOf(last);
    const asOf = oldest === undefined ? now : isClockBack ? undefined : knownUpTo(mark, oldest.committedAt);
    return {
      source: this.name,
      connected: true,
      partitions: [
        {
          partition: this.#partition,
          asOf,
          lagEvents,
          lagMs: asOf === undefined ? undefined : Math.max(0, now - asOf),
        },
      ],
      snapshotFinished: mark >= this.#backlog,
      snapshots: [],
      gauges: {},
    };
  }

  coveredToken(): string | undefined {
    return this.#mark === undefined ? undefined : this.#token(this.#mark);
  }

  async currentToken(signal: AbortSignal): Promise<string> {
    throwIfAborted(signal);
    return this.#token(await this.#options.log.last());
  }

  async reached(token: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const wanted = readPushToken(this.name, token);
    await this.#loadMark();
    const covered = (): boolean => (this.#mark ?? 0) >= wanted;
    if (covered() || waitMs <= 0) return covered();
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    try {
      const timeout = this.#options.clock.sleep(waitMs, ended).catch(onlyAborted);
      const wait = (async () => {
        while (!covered()) await this.#settled.after(this.#settled.count, ended);
      })().catch(onlyAborted);
      await Promise.race([wait, timeout]);
      throwIfAborted(signal);
      return covered();
    } finally {
      over.abort();
    }
  }

  async row(table: TableId, key: RowKey, signal: AbortSignal): Promise<Row | undefined> {
    throwIfAborted(signal);
    const entry = table === this.table ? await this.#options.log.entry(key) : undefined;
    return entry?.document === undefined ? undefined : rowOf(entry.document);
  }

  async *rows(table: TableId, signal: AbortSignal): AsyncGenerator<{ readonly key: RowKey; readonly row: Row }> {
    if (table !== this.table) return;
    for (let after: RowKey | undefined; ; ) {
      throwIfAborted(signal);
      const entries = await this.#options.log.scan(after, PAGE_ENTRIES);
      for (const { key, document } of entries) if (document !== undefined) yield { key, row: rowOf(document) };
      if (entries.length < PAGE_ENTRIES) return;
      after = entries.at(-1)!.key;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The log belongs to who opened it; `read` ends with its signal.
  }

  async #append(writes: readonly PushedWrite[]): Promise<readonly PushedOutcome[]> {
    if (writes.length === 0) return [];
    const outcomes = await this.#options.log.append(writes, this.#options.clock.now());
    this.#written.wake();
    return outcomes;
  }

  async #loadMark(): Promise<number> {
    if (this.#mark === undefined) {
      const state = await this.#options.checkpoints.load(this.name);
      this.#mark ??= storedSequence(state);
    }
    return this.#mark;
  }

  #receipt(externalId: string, tenant: TenantId, outcome: PushedOutcome): PushedReceipt {
    const receipt = { id: pushedDocumentId(tenant, externalId), externalId, token: this.#token(outcome.sequence) };
    return outcome.accepted ? { ...receipt, accepted: true } : { ...receipt, accepted: false, reason: outcome.reason };
  }

  #token(sequence: number): string {
    return pushToken(this.name, sequence);
  }
}

/** The time a sequence stands for. */
const timeOf = (sequence: number): Instant => Date.UTC(2020, 0, 1) + sequence / 1000;

/**
 * With something unsettled: the time the mark stands for (a sequence is a clock), and never the commit time of what is not settled yet,
 * in case the wall clock went back. Nothing is known while nothing was ever settled.
 */
function knownUpTo(mark: number, oldestUnsettled: Instant): Instant | undefined {
  return mark === 0 ? undefined : Math.min(timeOf(mark), oldestUnsettled - 1);
}

function checked(sourceVersion: number | undefined): number | undefined {
  if (sourceVersion === undefined || (Number.isSafeInteger(sourceVersion) && sourceVersion >= 0)) return sourceVersion;
  throw new FreshetError(
    'BAD_SOURCE_VERSION',
    'poison',
    `A sourceVersion must be a whole number from 0 to 2^53 − 1, not ${sourceVersion}.`,
    { details: { sourceVersion } },
  );
}

function onlyAborted(error: unknown): void {
  if (!(error instanceof FreshetError) || error.kind !== 'aborted') throw error;
}
