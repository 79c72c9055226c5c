import { createMemoryDeadLetters } from '../../connectors/memory/dead-letters.ts';
import { createMemoryIndex } from '../../connectors/memory/memory-index.ts';
import type { Judge } from '../../connectors/memory/read.ts';
import type { isUnreachable } from '../../connectors/memory/sweep.ts';
import { createMemoryStore } from '../../connectors/memory/store.ts';
import { compareStamps, type Version } from '../../src/domain/version.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import { codeOf, FreshetError, kindOf } from '../../src/domain/errors.ts';
import type { PipelineLimits } from '../../src/ingest/context.ts';
import type { DocumentWrite, SweepLimits } from '../../src/ports/index-store.ts';
import { belowDeadLetters } from '../../src/services/sweep.ts';
import { Faults } from './faults.ts';
import { Fleet, ZOMBIE_MS } from './fleet.ts';
import { GroupFleet } from './group-fleet.ts';
import { generateHistory } from './history.ts';
import { KafkaLog, type LogObserver } from './kafka-log.ts';
import { Network, PACKET_DELAY_MAX } from './network.ts';
import { PostgresLog } from './postgres-log.ts';
import { RULES_AS_BUILT, type Surroundings } from './process.ts';
import type { Profile } from './profiles.ts';
import { checkQuiet, checkSwept, type QuietWorld } from './quiet.ts';
import { Random } from './random.ts';
import { checkedRead } from './reader.ts';
import { Scheduler, START_OF_TIME, type Owner } from './scheduler.ts';
import { Truth } from './truth.ts';
import { Violation } from './world.ts';

const HEAD_CACHE_MS = 150;
const WRITE_DEADLINE_MS = 150;
/** Longer than anything that began before a tombstone can still be under way. */
const HORIZON_MS = HEAD_CACHE_MS + WRITE_DEADLINE_MS + ZOMBIE_MS + 2 * PACKET_DELAY_MAX + 60;
const QUIET_STEPS_MAX = 20_000;

/** What a mutant changes of the rules. */
export interface Mutation extends Partial<Pick<Surroundings, 'rules' | 'parts' | 'indexOf' | 'sourceOf'>> {
  readonly judge?: Judge;
  readonly unreachable?: typeof isUnreachable;
  readonly sweepLimits?: (limits: SweepLimits) => SweepLimits;
  readonly limits?: Partial<PipelineLimits>;
  /** Sweeps although a snapshot is unfinished. */
  readonly sweepsDuringSnapshots?: boolean;
  /** Raises floors above dead letters. */
  readonly forgetsLetters?: boolean;
  /** Delivers rows read by SELECT at once. */
  readonly snapshotsDoNotWait?: boolean;
}

export interface Result {
  readonly seed: number;
  readonly violation: { readonly check: string; readonly message: string } | undefined;
  readonly steps: number;
}

export interface RunOptions {
  readonly profile: Profile;
  readonly mutation?: Mutation;
  readonly trace?: (line: string) => void;
}

/** Runs one seed. The same seed, profile and mutation give the same run. */
export async function runSeed(seed: number, options: RunOptions): Promise<Result> {
  const simulation = new Simulation(seed, options);
  try {
    await simulation.run();
    return { seed, violation: undefined, steps: simulation.steps };
  } catch (error) {
    const { steps } = simulation;
    if (error instanceof Violation) return { seed, violation: { check: error.check, message: error.message }, steps };
    // A process that ends with an error of its own did not keep what it promised either.
    if (error instanceof FreshetError)
      return { seed, violation: { check: 'run', message: `${error.code}: ${error.message}` }, steps };
    throw new Error(`Seed ${seed} of profile ${options.profile.name} failed.`, { cause: error });
  }
}

class Simulation {
  readonly #random: Random;
  readonly #profile: Profile;
  readonly #mutation: Mutation;
  readonly #scheduler: Scheduler;
  readonly #store = createMemoryStore();
  readonly #deadLetters = createMemoryDeadLetters();
  readonly #around: Surroundings;
  readonly #log: KafkaLog | PostgresLog;
  readonly #fleet: Fleet | GroupFleet;
  #failure: unknown;

  constructor(seed: number, { profile, mutation, trace }: RunOptions) {
    const random = new Random(seed);
    const scheduler = new Scheduler(random.fork(), trace);
    const history = generateHistory(random, {
      transactions: profile.transactions + random.int(profile.transactions),
      truncates: profile.truncates,
      poison: profile.poison,
      lookups: profile.lookups,
    });
    const observer: LogObserver = {
      delivers: (key, version, position, span) => this.#around.truth.delivers(key, version, position, span),
      mustBeDurable: (key, seq, where) => {
        if (this.#around.truth.isDurable(key, seq)) return;
        throw new Violation('1', `${where} was committed before version ${seq} of row ${key.number} was durable`);
      },
      mustBeTruncated: ({ table, epoch, sourcePosition }, where) => {
        const stored = this.#store.truncations.get(table);
        if (stored !== undefined && (stored.epoch > epoch || stored.sourcePosition >= sourcePosition)) return;
        throw new Violation('1', `${where} was committed before the truncation of ${table} was durable`);
      },
    };
    const faults = new Faults(random.fork());
    const onFailure = (error: unknown): void => this.#fail(error);
    const deps = { scheduler, random: random.fork(), observer, onFailure };
    this.#log =
      profile.log === 'kafka'
        ? new KafkaLog(history, deps, { ...profile, partitions: 1 + random.int(3) })
        : new PostgresLog(history, deps, {
            snapshotsWait: mutation?.snapshotsDoNotWait !== true,
            stall: () => faults.stall(),
          });
    this.#random = random;
    this.#profile = profile;
    this.#mutation = mutation ?? {};
    this.#scheduler = scheduler;
    this.#around = {
      ...{ scheduler, history, store: this.#store, deadLetters: this.#deadLetters, log: this.#log },
      ...RULES_AS_BUILT,
      ...this.#mutation,
      random: random.fork(),
      network: new Network(scheduler, random.fork(), this.#store, (error) => this.#fail(error)),
      faults,
      truth: new Truth(history, this.#log, this.#store),
      lookups: profile.lookups,
      fetches: profile.fetches,
      limits: {
        inFlight: 2 + random.int(8),
        headCacheMs: HEAD_CACHE_MS,
        writeDeadlineMs: WRITE_DEADLINE_MS,
        headCacheEntries: 1 + random.int(8),
        drainMs: 100,
        ...this.#mutation.limits,
      },
      onWrite: (write) => this.#embedsOnlyNewText(write),
      onFailure,
    };
    this.#fleet =
      profile.group && this.#log instanceof KafkaLog
        ? new GroupFleet({ random, log: this.#log, scheduler, around: this.#around })
        : new Fleet({ random, profile, log: this.#log, scheduler, around: this.#around });
  }

  get steps(): number {
    return this.#scheduler.steps;
  }

  async run(): Promise<void> {
    const { faults } = this.#around;
    this.#fleet.startAll();
    faults.transient = this.#profile.faults * this.#random.next();
    faults.timeouts = this.#profile.faults * this.#random.next();
    faults.stalls = this.#profile.stalls;
    // What happened between the making of the slot, or the topic, and the first start.
    for (let n = this.#random.int(4); n > 0; n--) this.#log.produce();
    void this.#sweepRegularly();
    await this.#chaos();
    faults.heal();
    while (this.#log.produce());
    await this.#settle('after the chaos');
    // What was mended meanwhile came in garbled all the same.
    if (!faults.poisoned) await this.#retryAll();
    await this.#quiet('after the chaos');
    await this.#sweepAll();
    await this.#checkSwept('after the sweeps');

    if (this.#profile.lookups || this.#profile.fetches) await this.#retryAll();
    await this.#quiet('after retrying the dead letters');
    this.#fleet.replayAll();
    await this.#quiet('after a full replay');
    await this.#sweepAll();
    await this.#checkSwept('after replay and sweeps');
  }

  async #step(mayJump = true): Promise<void> {
    if (!(await this.#scheduler.step(mayJump))) this.#scheduler.advance(2);
    if (this.#failure !== undefined) throw this.#failure;
    this.#fleet.attend();
  }

  async #chaos(): Promise<void> {
    const { chaos, sweeps, transactions } = this.#profile;
    const random = this.#random;
    const crashes = (0.003 + 0.01 * random.next()) * chaos;
    const sweeping = 0.01 * random.next() * sweeps;
    const producing = this.#profile.pace;
    const until = (transactions * (40 + random.int(80))) / (producing / 0.04);
    while (this.#scheduler.now < until) {
      await this.#step(false);
      if (this.#profile.fetches && random.chance(0.02)) void this.#retryOne();
      if (this.#profile.fetches && this.#scheduler.now > until / 2) this.#around.faults.poisoned = false;
      if (random.chance(producing)) this.#log.produce();
      if (random.chance(0.06)) this.#read();
      if (random.chance(sweeping)) this.#sweep();
      if (random.chance(crashes)) this.#fleet.disturb();
      if (random.chance(this.#profile.faults * 0.02)) this.#outage();
    }
  }

  #outage(): void {
    const { faults } = this.#around;
    const until = this.#scheduler.now + this.#random.int(400);
    this.#scheduler.log('OUTAGE');
    if (this.#random.chance(0.5)) faults.indexDownUntil = until;
    else faults.embedderDownUntil = until;
  }

  #index(owner: Owner | undefined): ReturnType<typeof createMemoryIndex> {
    const { judge, unreachable } = this.#mutation;
    return createMemoryIndex({
      dimensions: 1,
      store: this.#store,
      ...(judge === undefined ? {} : { judge }),
      ...(unreachable === undefined ? {} : { unreachable }),
      ...(owner === undefined ? {} : { step: (what: string) => this.#scheduler.gate(owner, what) }),
    });
  }

  #read(): void {
    const tenant = this.#random.chance(0.5) ? 'A' : 'B';
    const { history, truth } = this.#around;
    checkedRead(this.#index({ name: `reader of ${tenant}` }), tenant, history, truth).catch((error: unknown) =>
      this.#fail(error),
    );
  }

  #sweep(): void {
    this.#sweepOnce().catch((error: unknown) => this.#fail(error));
  }

  /** Lets time pass in small steps where nothing else happens, too. */
  async #sweepRegularly(): Promise<void> {
    const owner = { name: 'sweep timer' };
    const interval = (100 + this.#random.int(400)) / Math.max(1, this.#profile.sweeps / 2);
    for (;;) {
      await this.#scheduler.sleep(owner, interval);
      this.#sweep();
    }
  }

  async #sweepOnce(marks?: ReadonlyMap<PartitionId, Version>): Promise<void> {
    if (!this.#log.snapshotsFinished && this.#mutation.sweepsDuringSnapshots !== true) return;
    const committedNow = marks ?? this.#fleet.committed();
    const now = START_OF_TIME + this.#scheduler.now;
    const forgets = this.#mutation.forgetsLetters === true;
    const lowest = forgets ? new Map<PartitionId, Version>() : await this.#deadLetters.lowestVersions();
    const committed = belowDeadLetters(committedNow, lowest);
    const limits = { horizonMs: HORIZON_MS, now, committed };
    const index = this.#around.indexOf(this.#index({ name: 'sweeper' }));
    await index.sweep(this.#mutation.sweepLimits?.(limits) ?? limits, new AbortController().signal);
  }

  async #quiet(when: string): Promise<void> {
    await this.#settle(when);
    await checkQuiet(when, this.#quietWorld());
  }

  /** Until everything is read and committed, and nobody does anything any more. */
  async #settle(when: string): Promise<void> {
    const { network } = this.#around;
    const busy = (): boolean => !this.#log.drained || network.busy || this.#fleet.isChanging || !this.#scheduler.idle;
    for (let n = 0; busy(); n++) {
      await this.#step();
      if (this.#random.chance(0.05)) this.#read();
      if (n > QUIET_STEPS_MAX) throw new Violation('1', `${when}: never quiet`);
    }
  }

  #quietWorld(): QuietWorld {
    return {
      ...{ history: this.#around.history, log: this.#log, settings: this.#fleet.settings, store: this.#store },
      ...{ index: this.#index(undefined), deadLetters: this.#deadLetters, retried: !this.#around.faults.poisoned },
    };
  }

  /** As often as it takes: truncated heads first become tombstones, then these grow old. */
  async #sweepAll(): Promise<void> {
    const all = new Map(this.#log.partitions.map((partition) => [partition, Number.MAX_SAFE_INTEGER as Version]));
    for (let n = 0; n < 3; n++) {
      this.#scheduler.advance(HORIZON_MS + 60);
      let done = false;
      const finish = (): void => void (done = true);
      this.#sweepOnce(all).then(finish, (error: unknown) => this.#fail(error));
      while (!done) await this.#step();
    }
  }

  async #checkSwept(when: string): Promise<void> {
    const world = this.#quietWorld();
    // Nothing is swept above a record that may still be retried.
    if ((await this.#deadLetters.count()) === 0) checkSwept(when, world);
    await checkQuiet(when, world);
  }

  /** What was refused is accepted now, and every dead letter is tried again. */
  async #retryAll(): Promise<void> {
    this.#around.faults.poisoned = false;
    for (const letter of await this.#deadLetters.list({ limit: 1_000 })) {
      const pipeline = this.#random.pick(this.#fleet.processes).pipeline;
      if (pipeline === undefined) continue;
      let done = false;
      const finish = (): void => void (done = true);
      pipeline.retry(letter).then(finish, (error: unknown) => this.#fail(error));
      while (!done) await this.#step();
    }
  }

  /** Somebody tries a letter again while everything else goes on; whoever dies over it tells nobody. */
  async #retryOne(): Promise<void> {
    const letters = await this.#deadLetters.list({ limit: 1_000 });
    const { pipeline } = this.#random.pick(this.#fleet.processes);
    if (letters.length === 0 || pipeline === undefined) return;
    await pipeline.retry(this.#random.pick(letters)).catch((error: unknown) => {
      if (kindOf(error) !== 'aborted' && codeOf(error) !== 'DEAD_LETTER_TOO_EARLY') this.#fail(error);
    });
  }

  /** Invariant 5, wherever only one writer could have been at work: what the head lists already is not embedded again. */
  #embedsOnlyNewText({ head, insert }: DocumentWrite): void {
    const stored = this.#store.heads.get(head.id);
    if (this.#othersMayHaveWritten || stored === undefined || stored.deleted || compareStamps(stored, head) >= 0)
      return;
    const again = insert.find(({ chunk }) => stored.chunks.some((ref) => ref.id === chunk.id));
    if (again !== undefined) throw new Violation('5', `"${again.chunk.text}" was embedded again`);
  }

  /** A head cached before another writer's write does not know what that one embedded. */
  get #othersMayHaveWritten(): boolean {
    const until = Math.max(this.#fleet.zombiesUntil, this.#around.network.orphansUntil);
    return this.#scheduler.now <= until + HEAD_CACHE_MS + WRITE_DEADLINE_MS;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }
}
