import type { Instant } from '../../src/domain/time.ts';
import type { Offsets } from './client/client.ts';
import type { ProvenState } from './state.ts';

/** Something read in one partition that tells how far the whole source is: a change's commit time, its LSN. */
export interface Sighting {
  readonly time: Instant | undefined;
  readonly lsn: bigint | undefined;
}

interface Waiting extends Sighting {
  readonly ends: Offsets;
}

type Proven = Omit<ProvenState, 'reading'>;

const NOTHING: Sighting = { time: undefined, lsn: undefined };

/**
 * How far all partitions are together (invariant 9). A connector sends changes in the order of their commits, so one that was read says that
 * all committed before were sent before; but other partitions may still hold them unread. So end offsets are read after it, and it counts
 * once every partition passed them. One sighting waits at a time, the newest is next.
 *
 * Only what the database itself committed is a sighting. Debezium's heartbeats bear the connector's clock, and are sent also by one that is
 * hours behind its database. And only one connector's: of two, one may be behind or away while the other goes on, and LSNs of two databases
 * do not compare; so once records of a second were read, nothing is claimed any more.
 *
 * What is proven by one instance holds for all, and is shared: the one that reads the partition of a heartbeat table tells the others.
 */
export class Horizon {
  readonly #connectors = new Set<string>();
  #next = NOTHING;
  #waiting: Waiting | undefined;
  #proven = NOTHING;
  /** Whether there is something to tell the others. */
  isDirty = false;

  /** Everything committed at the source before it is settled. */
  get time(): Instant | undefined {
    return this.#connectors.size > 1 ? undefined : this.#proven.time;
  }

  get lsn(): bigint | undefined {
    return this.#connectors.size > 1 ? undefined : this.#proven.lsn;
  }

  /** What all partitions together were last proven to have passed, and whose records were read. */
  get state(): Proven {
    const { time, lsn } = this.#proven;
    return {
      connectors: [...this.#connectors].sort(),
      ...(time === undefined ? {} : { time }),
      ...(lsn === undefined ? {} : { lsn }),
    };
  }

  /** From before a restart, or from another instance. */
  learn({ time, lsn, connectors }: Proven): void {
    // Whoever saved that did not know of ours.
    if ([...this.#connectors].some((connector) => !connectors.includes(connector))) this.isDirty = true;
    for (const connector of connectors) this.#connectors.add(connector);
    this.#proven = later(this.#proven, { time, lsn });
  }

  /** @returns whether the records of a second connector were met just now */
  saw(sighting: Sighting, connector: string | undefined): boolean {
    this.#next = later(this.#next, sighting);
    if (connector === undefined || this.#connectors.has(connector)) return false;
    this.#connectors.add(connector);
    this.isDirty = true;
    return this.#connectors.size === 2;
  }

  /** Whether end offsets read from now on would be of use. */
  get wantsEnds(): boolean {
    return this.#waiting === undefined && isLater(this.#next, this.#proven);
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
    this.#waiting = undefined;
    if (!isLater(waiting, this.#proven)) return false;
    this.#proven = later(this.#proven, waiting);
    this.isDirty = true;
    return true;
  }
}

function later(a: Sighting, b: Sighting): Sighting {
  return {
    time: a.time === undefined || (b.time !== undefined && b.time > a.time) ? b.time : a.time,
    lsn: a.lsn === undefined || (b.lsn !== undefined && b.lsn > a.lsn) ? b.lsn : a.lsn,
  };
}

const isLater = (a: Sighting, b: Sighting): boolean =>
  (a.time !== undefined && a.time > (b.time ?? -Infinity)) || (a.lsn !== undefined && a.lsn > (b.lsn ?? -1n));
