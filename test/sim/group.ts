import type { PartitionId } from '../../src/domain/ids.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** One consumer, as the coordinator knows it. */
export interface Consumer {
  readonly name: string;
  /** Its next heartbeat will find something changed. */
  poke(): void;
}

/** What a consumer finds out with its next heartbeat. */
export type GroupState =
  | { readonly kind: 'out' }
  | { readonly kind: 'joining' } // it waits for the round to end
  | { readonly kind: 'rebalancing'; readonly round: object }
  | { readonly kind: 'stable'; readonly generation: number; readonly partitions: readonly PartitionId[] };

interface Round {
  readonly awaited: Set<Consumer>;
  readonly kept: Map<Consumer, readonly PartitionId[]>;
  allBack: () => void;
}

/** The longest a rebalance waits for its members. */
const REBALANCE_MS_MAX = 180;

/**
 * A consumer group as its coordinator sees it: members give up partitions and come back, who does not in time is out, and every round makes
 * a new generation. A commit counts only from a member of the current generation; whose partition it is about nobody asks.
 */
export class Group {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #partitions: readonly PartitionId[];
  readonly #owner = { name: 'coordinator' };
  readonly #timeoutMs: number;
  /** Eager rounds take everything from everybody, others only what moves. */
  readonly isEager: boolean;
  #members = new Map<Consumer, readonly PartitionId[]>();
  #joining = new Set<Consumer>();
  #round: Round | undefined;
  #generation = 0;
  #isWanted = false;
  #isRunning = false;

  constructor(scheduler: Scheduler, random: Random, partitions: readonly PartitionId[]) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#partitions = partitions;
    this.isEager = random.chance(0.5);
    this.#timeoutMs = 40 + random.int(REBALANCE_MS_MAX - 40);
  }

  get isRebalancing(): boolean {
    return this.#isRunning || this.#joining.size > 0;
  }

  join(consumer: Consumer): void {
    this.#joining.add(consumer);
    this.rebalance();
  }

  /** It left in order, or its session expired. */
  remove(consumer: Consumer): void {
    this.#back(consumer);
    const wasMember = this.#members.delete(consumer);
    if (this.#joining.delete(consumer) || wasMember) consumer.poke();
    if (wasMember) this.rebalance();
  }

  /** Everybody is gone at once. */
  clear(): void {
    for (const consumer of [...this.#members.keys(), ...this.#joining]) this.remove(consumer);
  }

  rebalance(): void {
    this.#isWanted = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#rounds();
  }

  /** The consumer gave up the rest and waits for what it gets. */
  rejoin(consumer: Consumer, round: object, kept: readonly PartitionId[]): void {
    if (this.#round !== round || !this.#members.has(consumer)) return;
    this.#round.kept.set(consumer, kept);
    this.#back(consumer);
  }

  stateOf(consumer: Consumer): GroupState {
    const partitions = this.#members.get(consumer);
    if (partitions === undefined) return { kind: this.#joining.has(consumer) ? 'joining' : 'out' };
    if (this.#round?.awaited.has(consumer)) return { kind: 'rebalancing', round: this.#round };
    if (this.#round !== undefined) return { kind: 'joining' };
    return { kind: 'stable', generation: this.#generation, partitions };
  }

  accepts(consumer: Consumer, generation: number): boolean {
    return this.#members.has(consumer) && generation === this.#generation;
  }

  #back(consumer: Consumer): void {
    this.#round?.awaited.delete(consumer);
    if (this.#round?.awaited.size === 0) this.#round.allBack();
  }

  async #rounds(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#gather();
      this.#assign();
    }
    this.#isRunning = false;
  }

  async #gather(): Promise<void> {
    const over = new AbortController();
    const round: Round = { awaited: new Set(this.#members.keys()), kept: new Map(), allBack: () => over.abort() };
    this.#round = round;
    this.#scheduler.log(`REBALANCE of ${[...this.#members.keys()].map(({ name }) => name).join(', ')}`);
    for (const consumer of this.#members.keys()) consumer.poke();
    if (round.awaited.size > 0) {
      await this.#scheduler.sleep(this.#owner, this.#timeoutMs, over.signal).catch(() => undefined);
    }
    for (const consumer of round.awaited) {
      this.#scheduler.log(`OUT of the group: ${consumer.name}`);
      this.#members.delete(consumer);
    }
  }

  #assign(): void {
    const { kept, awaited } = this.#round as Round;
    this.#round = undefined;
    this.#generation += 1;
    const next = new Map([...this.#members.keys()].map((consumer) => [consumer, [...(kept.get(consumer) ?? [])]]));
    for (const consumer of this.#joining) next.set(consumer, []);
    this.#joining = new Set();
    const taken = new Set([...next.values()].flat());
    for (const partition of this.#partitions) {
      if (taken.has(partition) || next.size === 0) continue;
      this.#random.pick([...next.values()]).push(partition);
    }
    this.#members = next;
    for (const consumer of [...next.keys(), ...awaited]) consumer.poke();
  }
}
