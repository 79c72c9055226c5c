import type { ChangeEvent, Delivery } from '../../src/domain/change.ts';
import type { PartitionId, TableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import type { Instant } from '../../src/domain/time.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { RowEffect } from './changes.ts';
import type { Lsn } from './lsn.ts';
import { Spool, type SpoolLimits } from './spool.ts';

/**
 * Changes per window. Part of the numbering, never a setting: a transaction that is sent again after a restart must be cut at the same
 * places, or one of its rows would keep a value from its middle.
 */
export const WINDOW_CHANGES = 10_000;
/**
 * Windows number from 1. After the last plain one the rest of the transaction, however long, is folded into two: its truncations, then its
 * rows. So no number passes 40, and as a commit record is at least 48 bytes long (xact.c: xl_xact_commit behind its header), no other
 * transaction owns `commit LSN + w`.
 */
export const LAST_PLAIN_WINDOW = 38n;
const REST_TRUNCATES = 39n;
const REST_ROWS = 40n;

export interface Numbering {
  readonly partition: PartitionId;
  readonly epoch: number;
  readonly base: Lsn;
}

export type Deliver = (delivery: Delivery) => Promise<void>;

/** One transaction, from its BEGIN: counts, cuts and folds its changes, and delivers a window as soon as it is full. */
export class Transaction {
  readonly commitLsn: Lsn;
  readonly #committedAt: Instant;
  readonly #numbering: Numbering;
  readonly #deliver: Deliver;
  readonly #now: () => Instant;
  readonly #window: Spool;
  #w = 0n;
  #changes = 0;
  #isRest = false;
  readonly #restTruncated = new Set<TableId>();
  #lastOffset: bigint | undefined;

  constructor(options: {
    readonly commitLsn: Lsn;
    readonly committedAt: Instant;
    readonly numbering: Numbering;
    readonly spool: SpoolLimits;
    readonly now: () => Instant;
    readonly deliver: Deliver;
  }) {
    this.commitLsn = options.commitLsn;
    this.#committedAt = options.committedAt;
    this.#numbering = options.numbering;
    this.#deliver = options.deliver;
    this.#now = options.now;
    this.#window = new Spool(options.spool);
  }

  /** Position of the last delivery so far; undefined when there was none. */
  get lastOffset(): bigint | undefined {
    return this.#lastOffset;
  }

  /** One change message. It counts even when it concerns no table of ours, so that the configuration does not move the cuts. */
  async changed(effects: readonly RowEffect[]): Promise<void> {
    for (const effect of effects) await this.#window.add(effect);
    this.#changes += 1;
    if (!this.#isRest && this.#changes === WINDOW_CHANGES) await this.#closeWindow();
  }

  /** One TRUNCATE message; `tables` are those of ours, perhaps none. */
  async truncated(tables: readonly TableId[]): Promise<void> {
    if (!this.#isRest && this.#changes > 0) await this.#closeWindow();
    if (this.#isRest) {
      for (const table of tables) {
        this.#window.truncate(table);
        this.#restTruncated.add(table);
      }
      return;
    }
    this.#advance();
    await this.#deliverTruncates(tables, this.#w);
  }

  async commit(): Promise<void> {
    if (this.#isRest) {
      await this.#deliverTruncates([...this.#restTruncated], REST_TRUNCATES);
      await this.#deliverWindow(REST_ROWS);
    } else if (this.#changes > 0) {
      await this.#closeWindow();
    }
    await this.dispose();
  }

  async dispose(): Promise<void> {
    await this.#window.dispose();
  }

  async #closeWindow(): Promise<void> {
    this.#advance();
    this.#changes = 0;
    await this.#deliverWindow(this.#w);
  }

  #advance(): void {
    this.#w += 1n;
    this.#isRest = this.#w === LAST_PLAIN_WINDOW;
  }

  async #deliverWindow(w: bigint): Promise<void> {
    // One behind, to know the last of the window.
    let waiting: RowEffect | undefined;
    for await (const effect of this.#window.drain()) {
      if (waiting !== undefined) await this.#send(this.#rowEvent(waiting, w), w, false, waiting.bytes);
      waiting = effect;
    }
    if (waiting !== undefined) await this.#send(this.#rowEvent(waiting, w), w, true, waiting.bytes);
  }

  async #deliverTruncates(tables: readonly TableId[], w: bigint): Promise<void> {
    const { epoch } = this.#numbering;
    const unique = [...new Set(tables)];
    for (const [i, table] of unique.entries()) {
      const at = { sourcePosition: sourcePosition(this.commitLsn + w), committedAt: this.#committedAt };
      await this.#send({ kind: 'table-truncated', table, epoch, ...at }, w, i === unique.length - 1, 100);
    }
  }

  #rowEvent({ table, key, row }: RowEffect, w: bigint): ChangeEvent {
    const { epoch, base } = this.#numbering;
    const version = makeVersion(epoch, this.commitLsn - base + w);
    const at = { version, sourcePosition: sourcePosition(this.commitLsn + w), committedAt: this.#committedAt };
    return row === undefined
      ? { kind: 'row-deleted', table, key, ...at }
      : { kind: 'row-upserted', table, key, row, ...at, snapshot: false };
  }

  async #send(event: ChangeEvent, w: bigint, endsPosition: boolean, bytes: number): Promise<void> {
    const offset = this.commitLsn + w;
    this.#lastOffset = offset;
    const position = { partition: this.#numbering.partition, offset };
    await this.#deliver({ position, endsPosition, event, receivedAt: this.#now(), bytes });
  }
}
