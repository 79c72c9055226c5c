import type { Instant } from '../../src/domain/time.ts';
import type { Offsets } from './client/client.ts';

/** Something read in one partition that tells how far the whole source is: a heartbeat's time, a change's LSN. */
interface Sighting {
  readonly time: Instant | undefined;
  readonly lsn: bigint | undefined;
}

interface Waiting extends Sighting {
  readonly ends: Offsets;
}

/**
 * How far all partitions are together (invariant 9). A sighting in one partition says nothing of the others, which may still hold older
 * changes: end offsets are read after it, and it counts once every partition passed them. One waits at a time, the newest is next.
 */
export class Horizon {
  #next: Sighting = { time: undefined, lsn: undefined };
  #waiting: Waiting | undefined;
  /** Everything committed at the source up to it is settled. */
  time: Instant | undefined;
  lsn: bigint | undefined;

  saw(time: Instant | undefined, lsn: bigint | undefined): void {
    const { time: t, lsn: l } = this.#next;
    const isLater = time !== undefined && time > (t ?? -Infinity);
    const isFurther = lsn !== undefined && lsn > (l ?? -1n);
    if (isLater || isFurther) this.#next = { time: isLater ? time : t, lsn: isFurther ? lsn : l };
  }

  /** Whether end offsets read from now on would be of use. */
  get wantsEnds(): boolean {
    const { time, lsn } = this.#next;
    return (
      this.#waiting === undefined &&
      ((time !== undefined && time > (this.time ?? -Infinity)) || (lsn !== undefined && lsn > (this.lsn ?? -1n)))
    );
  }

  /** To be called before end offsets are asked for: what is sighted meanwhile they do not cover. */
  freeze(): (ends: Offsets) => void {
    const sighting = this.#next;
    return (ends) => (this.#waiting ??= { ...sighting, ends });
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  check(settled: (key: string) => bigint | undefined): boolean {
    const waiting = this.#waiting;
    if (waiting === undefined) return false;
    for (const [key, end] of waiting.ends) if (end > 0n && (settled(key) ?? -1n) < end) return false;
    if (waiting.time !== undefined) this.time = Math.max(waiting.time, this.time ?? waiting.time);
    if (waiting.lsn !== undefined && waiting.lsn > (this.lsn ?? -1n)) this.lsn = waiting.lsn;
    this.#waiting = undefined;
    return true;
  }
}
