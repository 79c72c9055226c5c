import type { Delivery, Position } from '../../src/domain/change.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import type { RevokedListener, Source } from '../../src/ports/source.ts';
import { away } from './faults.ts';
import type { Consumer, Group } from './group.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { simSource } from './sim-source.ts';
import { Violation, type ProcessHandle } from './world.ts';

/** The log as a consumer reads it. */
export interface GroupLog {
  end(partition: PartitionId): number;
  committed(partition: PartitionId): number;
  deliver(partition: PartitionId, offset: number): Delivery;
  /** As Kafka stores it: the last one wins, were it a lower one. */
  commit(partition: PartitionId, offset: number): void;
  arrival(): Promise<void>;
}

/** How far a consumer is in a partition it has. */
interface Place {
  next: number;
  delivered: number | undefined;
}

const never = new AbortController().signal;

/** A consumer of the group with its source: it learns of rebalances at its heartbeats, and hands over what it must give up. */
export class GroupMember implements Consumer {
  readonly source: Source;
  readonly #process: ProcessHandle;
  readonly #group: Group;
  readonly #log: GroupLog;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #onFailure: (error: unknown) => void;
  #places = new Map<PartitionId, Place>();
  /** Being handed over: ours, but nothing more is delivered of them. */
  #leaving: ReadonlySet<PartitionId> = new Set();
  #generation = -1;
  #listener: RevokedListener | undefined;
  #wake = (): void => undefined;
  #isPoked = false;
  #isLearning = false;

  constructor(deps: {
    readonly process: ProcessHandle;
    readonly group: Group;
    readonly log: GroupLog;
    readonly scheduler: Scheduler;
    readonly random: Random;
    readonly onFailure: (error: unknown) => void;
  }) {
    this.#process = deps.process;
    this.#group = deps.group;
    this.#log = deps.log;
    this.#scheduler = deps.scheduler;
    this.#random = deps.random;
    this.#onFailure = deps.onFailure;
    this.source = {
      ...simSource({
        process: deps.process,
        scheduler: deps.scheduler,
        poll: () => Promise.resolve(this.#poll()),
        arrival: () => Promise.race([deps.log.arrival(), new Promise<void>((resolve) => (this.#wake = resolve))]),
        committed: () => undefined,
      }),
      commit: (positions) => this.#commit(positions),
      onRevoked: (listener) => void (this.#listener = listener),
    };
    deps.group.join(this);
  }

  get name(): string {
    return this.#process.name;
  }

  poke(): void {
    this.#isPoked = true;
    if (this.#isLearning) return;
    this.#isLearning = true;
    this.#learn().catch(this.#onFailure);
  }

  async #learn(): Promise<void> {
    while (this.#isPoked) {
      this.#isPoked = false;
      await this.#scheduler.gate(this.#process, 'heartbeat');
      const state = this.#group.stateOf(this);
      if (state.kind === 'out') await this.#lose();
      else if (state.kind === 'rebalancing') await this.#giveUp(state.round);
      else if (state.kind === 'stable' && state.generation !== this.#generation) {
        this.#take(state.generation, state.partitions);
      }
    }
    this.#isLearning = false;
  }

  async #lose(): Promise<void> {
    const lost = [...this.#places.keys()];
    this.#scheduler.log(`LOST by ${this.name}: ${lost.join(', ')}`);
    this.#leaving = new Set(lost);
    await this.#listener?.(lost, 'lost', never);
    this.#places.clear();
    this.#leaving = new Set();
    await this.#scheduler.gate(this.#process, 'join again');
    if (!this.#process.leaving) this.#group.join(this);
  }

  async #giveUp(round: object): Promise<void> {
    const mine = [...this.#places.keys()];
    const going = this.#group.isEager ? mine : mine.filter(() => this.#random.chance(0.5));
    this.#scheduler.log(`REVOKING from ${this.name}: ${going.join(', ')}`);
    this.#leaving = new Set(going);
    await this.#handOver(going);
    for (const partition of going) this.#places.delete(partition);
    this.#leaving = new Set();
    await this.#scheduler.gate(this.#process, 'join the round');
    this.#group.rejoin(this, round, [...this.#places.keys()]);
  }

  async #handOver(going: readonly PartitionId[]): Promise<void> {
    const deadline = new AbortController();
    const over = new AbortController();
    const timer = this.#scheduler.sleep(this.#process, 20 + this.#random.int(100), over.signal).then(
      () => deadline.abort(),
      () => undefined,
    );
    await this.#listener?.(going, 'revoking', deadline.signal);
    over.abort();
    await timer;
    if (deadline.signal.aborted || this.#process.leaving) return;
    for (const partition of going) {
      const delivered = this.#places.get(partition)?.delivered;
      if (delivered === undefined || this.#log.committed(partition) >= delivered) continue;
      throw new Violation('1', `${this.name} gave ${partition} up at ${delivered}, which it had not committed`);
    }
  }

  #take(generation: number, partitions: readonly PartitionId[]): void {
    this.#generation = generation;
    for (const partition of partitions) {
      const next = this.#log.committed(partition) + 1;
      if (!this.#places.has(partition)) this.#places.set(partition, { next, delivered: undefined });
    }
    this.#scheduler.log(`GENERATION ${generation}: ${this.name} has ${[...this.#places.keys()].join(', ')}`);
    this.#wake();
  }

  #poll(): Delivery | undefined {
    const ready = [...this.#places].filter(
      ([partition, { next }]) => !this.#leaving.has(partition) && next < this.#log.end(partition),
    );
    if (ready.length === 0) return undefined;
    const [partition, place] = this.#random.pick(ready);
    place.delivered = place.next;
    place.next += 1;
    return this.#log.deliver(partition, place.delivered);
  }

  async #commit(positions: readonly Position[]): Promise<void> {
    const given = positions.find(({ partition }) => !this.#places.has(partition));
    if (given !== undefined) {
      throw new Violation('1', `${this.name} committed ${given.partition}@${given.offset}, which it had given up`);
    }
    const generation = this.#generation;
    await this.#scheduler.gate(this.#process, 'commit');
    const isAccepted = this.#group.accepts(this, generation);
    if (!isAccepted) this.#scheduler.log(`COMMIT of ${this.name} refused`);
    else for (const { partition, offset } of positions) this.#log.commit(partition, Number(offset));
    await this.#scheduler.gate(this.#process, 'commit answered');
    if (!isAccepted) throw away('COMMIT_REFUSED');
  }
}
