import type { Version } from '../domain/version.ts';

/** One tracked delivery; settle it exactly once. */
export interface Ticket {
  readonly offset: bigint;
  readonly endsPosition: boolean;
  readonly version: Version | undefined;
  settled: boolean;
}

/**
 * The low-water mark of one partition: the highest offset with nothing unsettled at or below it (invariant 1). Deliveries settle in any
 * order; the mark only ever moves over a contiguous settled prefix, and only onto offsets whose last delivery was tracked.
 * Tracking, settling and reading the mark are O(1) amortised.
 */
export class LowWaterMark {
  readonly #open: Ticket[] = [];
  #first = 0;
  #mark: bigint | undefined;
  #version: Version | undefined;
  #pendingVersion: Version | undefined;
  #lastTracked: bigint | undefined;

  /** Offsets come in order; equal offsets are several deliveries of one position. */
  track(offset: bigint, endsPosition: boolean, version?: Version): Ticket {
    if (this.#lastTracked !== undefined && offset < this.#lastTracked) {
      throw new RangeError(
        `Offset ${offset} came after ${this.#lastTracked}: deliveries of a partition must be in order.`,
      );
    }
    this.#lastTracked = offset;
    const ticket: Ticket = { offset, endsPosition, version, settled: false };
    this.#open.push(ticket);
    return ticket;
  }

  /** True when the mark moved. */
  settle(ticket: Ticket): boolean {
    if (ticket.settled) throw new RangeError(`Offset ${ticket.offset} was settled twice.`);
    ticket.settled = true;
    const before = this.#mark;
    for (let first = this.#open[this.#first]; first?.settled; first = this.#open[this.#first]) {
      this.#first += 1;
      if (first.version !== undefined && (this.#pendingVersion ?? -1) < first.version)
        this.#pendingVersion = first.version;
      if (first.endsPosition) {
        this.#mark = first.offset;
        this.#version = this.#pendingVersion;
      }
    }
    if (this.#first > 1024 && this.#first * 2 > this.#open.length) {
      this.#open.splice(0, this.#first);
      this.#first = 0;
    }
    return this.#mark !== before;
  }

  /** Undefined until the first position is wholly settled. */
  get mark(): bigint | undefined {
    return this.#mark;
  }

  /** The highest version at or below the mark. */
  get version(): Version | undefined {
    return this.#version;
  }

  /** Everything tracked before it is settled. */
  get oldest(): Ticket | undefined {
    return this.#open[this.#first];
  }

  /** Deliveries from the oldest unsettled one on: the uncommitted span. */
  get span(): number {
    return this.#open.length - this.#first;
  }
}
