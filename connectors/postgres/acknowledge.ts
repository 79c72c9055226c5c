import { maxLsn, type Lsn } from './lsn.ts';

/**
 * The settled mark of the stream: everything the server logged before it is durable downstream. It moves to a transaction's end once the
 * position of its last delivery is committed, and over what needs no delivery (other tables, keepalives) once nothing before is open.
 */
export class Acknowledger {
  readonly #open: { readonly lastOffset: bigint; mark: Lsn }[] = [];
  #committed = 0n;
  #mark: Lsn;
  /** A transaction whose end has not been read yet has deliveries out. */
  #inTransaction = false;

  constructor(start: Lsn) {
    this.#mark = start;
  }

  get mark(): Lsn {
    return this.#mark;
  }

  get hasUnsettled(): boolean {
    return this.#open.length > 0 || this.#inTransaction;
  }

  /** A delivery of a transaction still being read went out. */
  began(): void {
    this.#inTransaction = true;
  }

  /** @param lastOffset position of the transaction's last delivery, undefined when it had none */
  ended(lastOffset: bigint | undefined, endLsn: Lsn): void {
    this.#inTransaction = false;
    if (lastOffset === undefined) {
      this.passed(endLsn);
      return;
    }
    this.#open.push({ lastOffset, mark: endLsn });
    this.#settle();
  }

  /** The server has nothing for us before `lsn`. Only between transactions. */
  passed(lsn: Lsn): void {
    const last = this.#open.at(-1);
    if (last === undefined) this.#mark = maxLsn(this.#mark, lsn);
    else last.mark = maxLsn(last.mark, lsn);
  }

  commit(offset: bigint): void {
    if (offset <= this.#committed) return;
    this.#committed = offset;
    this.#settle();
  }

  #settle(): void {
    let count = 0;
    for (const { lastOffset, mark } of this.#open) {
      if (lastOffset > this.#committed) break;
      this.#mark = maxLsn(this.#mark, mark);
      count += 1;
    }
    this.#open.splice(0, count);
  }
}
