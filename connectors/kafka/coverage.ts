import { abortedError, kindOf } from '../../src/domain/errors.ts';
import type { Instant } from '../../src/domain/time.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { LogReader, Offsets } from './client/client.ts';
import { Horizon } from './horizon.ts';
import type { Say } from './identify.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { DecodedRecord } from './record.ts';
import type { SourceState, StateStore } from './state.ts';
import { encodeToken, isCovered, type TokenTarget } from './tokens.ts';

/** Between looks at what other instances committed, while somebody waits for it. */
const POLL_MS = 100;

export interface CoverageDeps {
  readonly name: string;
  readonly groupId: string;
  readonly log: LogReader;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly say: Say;
  /** Ours. */
  readonly partitions: () => readonly PartitionProgress[];
  readonly topics: () => Promise<readonly string[]>;
  /** Whether others hold partitions of these topics. */
  readonly hasOthers: () => boolean;
  /** Whether somebody else wants to know what others committed, and who that is. */
  readonly isAwaited: () => boolean;
  readonly settled: (of: (key: string) => bigint | undefined) => void;
}

/** What of the whole source is settled: here, and by the other instances of the group. And who waits for it. */
export class Coverage {
  readonly #deps: CoverageDeps;
  readonly #horizon = new Horizon();
  readonly #waiters = new Set<() => void>();
  /** Callers of `reached`. */
  #waiting = 0;
  /** What other instances committed, as last asked. */
  #group: Offsets = new Map();
  #asking: Promise<void> | undefined;
  #state: Pick<SourceState, 'epoch' | 'reading'> | undefined;

  constructor(deps: CoverageDeps) {
    this.#deps = deps;
  }

  /** Everything committed at the source before it is settled. */
  get time(): Instant | undefined {
    return this.#horizon.time;
  }

  async begin(state: SourceState): Promise<void> {
    this.#state = state;
    await this.#learn(state);
  }

  /** A record was delivered. */
  saw({ sourceTime: time, lsn, connector }: DecodedRecord): void {
    if (time === undefined && lsn === undefined && connector === undefined) return;
    if (!this.#horizon.saw({ time, lsn }, connector)) return;
    const { name, say } = this.#deps;
    say(
      'warn',
      'KAFKA_SEVERAL_CONNECTORS',
      `Source "${name}" reads records of more than one connector (${this.#horizon.state.connectors.join(', ')}): one may be behind while another goes on, so the age of quiet partitions is not known, and no LSN is waited for. Give each connector a source of its own.`,
    );
  }

  /** For what is settled now, as far as it is known here. */
  token(): string | undefined {
    const partitions = this.#deps.partitions();
    if (partitions.length === 0 && this.#group.size === 0) return undefined;
    return encodeToken(new Map([...this.#group, ...partitions.map(({ key, settled }) => [key, settled] as const)]));
  }

  /** @returns false when the time was over first, or the source was closed */
  async reached(target: TokenTarget, waitMs: number, signal: AbortSignal, closed: AbortSignal): Promise<boolean> {
    if (this.#isReached(target)) return true;
    const { clock } = this.#deps;
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal, closed]);
    const timer = clock.sleep(waitMs, both).then(
      () => over.abort(),
      () => undefined,
    );
    this.#waiting += 1;
    try {
      while (!both.aborted) {
        await Promise.race([this.#refreshIfPossible(), timer]);
        if (this.#isReached(target)) return true;
        await this.#settledOrLater(both);
        if (this.#isReached(target)) return true;
      }
      if (signal.aborted) throw abortedError(signal);
      return false;
    } finally {
      this.#waiting -= 1;
      over.abort();
      await timer;
    }
  }

  /** Asks once for all who wait: end offsets if there is a new sighting, and what others know if there are others. */
  refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** A position moved, or an end. */
  settled(): void {
    const settled = this.#settledOf();
    this.#horizon.check(settled);
    this.#deps.settled(settled);
    for (const wake of this.#waiters) wake();
  }

  /** Brokers that are away make a wait longer, not wrong. */
  async #refreshIfPossible(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
    }
  }

  async #ask(): Promise<void> {
    const { log, groupId, topics: find, isAwaited } = this.#deps;
    const topics = await find();
    if (this.#horizon.wantsEnds) this.#horizon.freeze()(await log.offsets(topics, 'end'));
    if (this.#waiting > 0 || this.#horizon.isWaiting || isAwaited()) {
      this.#group = await log.committed(groupId, topics);
    }
    this.settled();
    await this.#share();
  }

  /** What all partitions passed together is found by whoever reads the right one, and true for all. */
  async #share(): Promise<void> {
    const state = this.#state;
    if (state === undefined) return;
    if (this.#deps.hasOthers()) await this.#learn(state);
    if (!this.#horizon.isDirty) return;
    this.#horizon.isDirty = false;
    try {
      await this.#deps.store.saveProven(state.epoch, { reading: state.reading, ...this.#horizon.state });
    } catch (error) {
      this.#horizon.isDirty = true;
      throw error;
    }
  }

  /** Before the log was read again, tables were missing, or others than now. */
  async #learn({ epoch, reading }: Pick<SourceState, 'epoch' | 'reading'>): Promise<void> {
    const proven = await this.#deps.store.proven(epoch);
    if (proven !== undefined && proven.reading >= reading) this.#horizon.learn(proven);
  }

  #isReached(target: TokenTarget): boolean {
    return target.kind === 'lsn' ? (this.#horizon.lsn ?? -1n) >= target.lsn : isCovered(target, this.#settledOf());
  }

  /** What is settled in a partition: here if it is ours, as the group committed it otherwise. */
  #settledOf(): (key: string) => bigint | undefined {
    const ours = new Map(this.#deps.partitions().map(({ key, settled }) => [key, settled]));
    return (key) => ours.get(key) ?? this.#group.get(key);
  }

  /** Until something was settled here, or it is time to ask about others. */
  async #settledOrLater(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiters.add(wake);
    try {
      await this.#deps.clock.sleep(POLL_MS, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (kindOf(error) !== 'aborted') throw error;
    } finally {
      this.#waiters.delete(wake);
    }
  }
}
