import type { Delivery } from '../../src/domain/change.ts';
import type { Head } from '../../src/domain/document.ts';
import type { DocumentId, TableId } from '../../src/domain/ids.ts';
import { EPOCH_START, type Truncation } from '../../src/domain/source-position.ts';
import { compareStamps, epochOf, type Version } from '../../src/domain/version.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { DocumentWrite } from '../../src/ports/index-store.ts';
import type { DeadLetter } from '../../src/ports/dead-letters.ts';
import type { MemoryStore } from '../../connectors/memory/store.ts';
import type { WritePart } from '../../connectors/memory/write.ts';
import { seqAtOperation, type History, type Key, type RowVersion } from './history.ts';
import { Violation, type SimLog, type Span } from './world.ts';

/**
 * What readers may see at any moment, kept beside the index: for every row a lowest version (a head of it is durable, or a truncation
 * covers what is older) and a highest one (some part of its write has been applied).
 */
export class Truth {
  readonly #history: History;
  readonly #log: SimLog;
  readonly #store: MemoryStore;
  readonly #low: number[];
  readonly #high: number[];
  readonly #excused: number[];
  readonly #lookedUp: number[];
  /** Rows of an older epoch that the new one has not indexed: gone, or poison. Their tombstones may be swept. */
  readonly #hidden = new Set<number>();
  readonly #spans = new Map<string, Span>();
  readonly #keys: ReadonlyMap<DocumentId, Key>;

  constructor(history: History, log: SimLog, store: MemoryStore) {
    this.#history = history;
    this.#log = log;
    this.#store = store;
    const zeros = (): number[] => history.keys.map(() => 0);
    this.#low = zeros();
    this.#high = zeros();
    this.#excused = zeros();
    this.#lookedUp = zeros();
    this.#keys = new Map(history.keys.map((key) => [key.document, key]));
  }

  /** A source is about to deliver this change of a row. Several reads of one row may share a version: their spans join. */
  delivers(key: Key, version: Version, position: Delivery['position'], span: Span): void {
    for (const name of [`${key.number} ${version}`, `${key.number} ${position.partition}@${position.offset}`]) {
      const before = this.#spans.get(name);
      this.#spans.set(
        name,
        before === undefined ? span : { lo: Math.min(before.lo, span.lo), hi: Math.max(before.hi, span.hi) },
      );
    }
  }

  /** A process looked the row up and may index what it found under any version it is working on. */
  lookedUp(key: Key, { seq, row }: RowVersion): void {
    this.#raise(this.#lookedUp, key, seq);
    // What was found gone is left to its delete, which is on the way.
    if (row === undefined) this.#raise(this.#excused, key, seq);
  }

  lettered({ document, position }: DeadLetter): void {
    const key = document === undefined ? undefined : this.#keys.get(document);
    const span = key && this.#spans.get(`${key.number} ${position.partition}@${position.offset}`);
    if (key === undefined || span === undefined)
      throw new Violation('8', 'a dead letter does not name a delivered record');
    this.#raise(this.#excused, key, span.lo);
  }

  /** The same parts, watched: what each of them changed moves the bounds. */
  watch(write: DocumentWrite, parts: readonly WritePart[]): readonly WritePart[] {
    return parts.map((part) => ({
      name: part.name,
      run: (store) => {
        const before = store.heads.get(write.head.id);
        part.run(store);
        this.#observe(write.head, before, store);
      },
    }));
  }

  #observe(head: Head, before: Head | undefined, store: MemoryStore): void {
    const key = this.key(head.id);
    const after = store.heads.get(head.id);
    if (before !== undefined && (after === undefined || compareStamps(after, before) < 0)) {
      throw new Violation('3', `the head of row ${key.number} went back from ${before.version} to ${after?.version}`);
    }
    const isDurable = after === head;
    const isTouched =
      isDurable || [...(store.chunks.get(head.id)?.values() ?? [])].some((chunk) => compareStamps(chunk, head) === 0);
    const { lo, hi } = this.#spanOf(key, head);
    if (isTouched) this.#raise(this.#high, key, Math.max(hi, this.#lookedUp[key.number] ?? 0));
    if (isDurable) this.#raise(this.#low, key, lo);
    if (isDurable && !isTruncated(head, store.truncations.get(key.table))) this.#hidden.delete(key.number);
  }

  #spanOf(key: Key, head: Head): Span {
    const span = this.#spans.get(`${key.number} ${head.version}`);
    if (span !== undefined) return span;
    throw new Violation('2', `row ${key.number} was written at ${head.version}, which was never delivered`);
  }

  /** A truncation is durable. The start of an epoch takes with it what older epochs left of rows that are gone by now. */
  truncated(table: TableId, truncation: Truncation): void {
    const isEpochStart = truncation.sourcePosition === EPOCH_START;
    const operation = isEpochStart ? 0 : this.#log.operationOf(truncation);
    for (const key of this.#history.keys) {
      if (key.table !== table) continue;
      const seq = isEpochStart ? 0 : seqAtOperation(this.#history, key.number, operation);
      const head = this.#store.heads.get(key.document);
      const isHidden = isEpochStart && head !== undefined && epochOf(head.version) < truncation.epoch;
      if (isHidden) this.#hidden.add(key.number);
      this.#raise(this.#low, key, seq);
      this.#raise(this.#high, key, isHidden ? this.#log.current(key.number).seq : seq);
    }
  }

  #raise(bounds: number[], key: Key, seq: number): void {
    bounds[key.number] = Math.max(bounds[key.number] ?? 0, seq);
  }

  /** It is covered by a truncation and nothing newer was indexed yet: it shows nothing, and nothing of it can be missed. */
  isHidden(key: Key): boolean {
    if (this.#hidden.has(key.number)) return true;
    const head = this.#store.heads.get(key.document);
    return head !== undefined && isTruncated(head, this.#store.truncations.get(key.table));
  }

  key(document: DocumentId): Key {
    const key = this.#keys.get(document);
    if (key === undefined) throw new Violation('2', `the index holds document ${document}, which no row has`);
    return key;
  }

  /** The lowest version a reader that starts now may see. */
  low(key: Key): number {
    return this.#low[key.number] ?? 0;
  }

  /** The highest version a reader that ends now may see. */
  high(key: Key): number {
    return this.#high[key.number] ?? 0;
  }

  /** Whether the effect of a record is in the index for good, its failure among the dead letters, or its row gone. */
  isDurable(key: Key, seq: number): boolean {
    return this.low(key) >= seq || (this.#excused[key.number] ?? 0) >= seq;
  }
}
