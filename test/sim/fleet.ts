import type { PartitionId } from '../../src/domain/ids.ts';
import { snapshotVersion, type Version } from '../../src/domain/version.ts';
import { KafkaLog } from './kafka-log.ts';
import { PostgresLog } from './postgres-log.ts';
import { Process, type Surroundings } from './process.ts';
import type { Profile } from './profiles.ts';
import type { Random } from './random.ts';
import type { Settings } from './rows.ts';
import type { Scheduler } from './scheduler.ts';

/** The longest a replaced process goes on. */
export const ZOMBIE_MS = 150;

/** Replays, changed settings and lost slots of one run: each starts everything over. */
const FRESH_STARTS_MAX = 3;

/** The processes of one run: who is alive, who is a zombie, who follows whom. */
export class Fleet {
  readonly #random: Random;
  readonly #profile: Profile;
  readonly #log: KafkaLog | PostgresLog;
  readonly #scheduler: Scheduler;
  readonly #around: Surroundings;
  readonly #committed = new Map<PartitionId, Version>();
  #processes: Process[] = [];
  #stopping: Process | undefined;
  #started = 0;
  #freshStarts = 0;
  settings: Settings = { embedder: 0, chunker: 0, mapping: 0 };
  /** Virtual time until which a zombie was, or is, at work. */
  zombiesUntil = -Infinity;

  constructor(deps: {
    readonly random: Random;
    readonly profile: Profile;
    readonly log: KafkaLog | PostgresLog;
    readonly scheduler: Scheduler;
    readonly around: Surroundings;
  }) {
    this.#random = deps.random;
    this.#profile = deps.profile;
    this.#log = deps.log;
    this.#scheduler = deps.scheduler;
    this.#around = deps.around;
  }

  get processes(): readonly Process[] {
    return this.#processes;
  }

  /** A zombie is still at work, or somebody's successor has not started yet. */
  get isChanging(): boolean {
    return this.#stopping !== undefined || this.#processes.some((process) => process.zombieUntil !== undefined);
  }

  /** One process for all partitions, or one for each. */
  startAll(): void {
    const { partitions } = this.#log;
    const apart = this.#log instanceof KafkaLog && this.#random.chance(0.5);
    for (const group of apart ? partitions.map((partition) => [partition]) : [partitions]) this.#start(group);
  }

  /** After every step: zombies whose time is over die, and who has ended in order is followed by its successor. */
  attend(): void {
    for (const process of this.#processes) {
      if (process.zombieUntil !== undefined && this.#scheduler.now >= process.zombieUntil) process.kill();
    }
    const stopped = this.#stopping;
    if (stopped?.finished === true) {
      this.#noteCommitted();
      this.#stopping = undefined;
      this.#start(stopped.partitions);
    }
    this.#processes = this.#processes.filter((process) => process.alive);
  }

  /** One of the things that go wrong with processes. */
  disturb(): void {
    const owner = this.#random.pick(this.#processes.filter((process) => !process.fenced));
    const choice = this.#random.next();
    const isFresh = this.#freshStarts < FRESH_STARTS_MAX;
    if (choice < 0.12 && this.#profile.settings && isFresh) this.#changeSettings();
    else if (choice < 0.2 && this.#log instanceof PostgresLog && isFresh) this.#loseSlot(this.#log);
    else if (choice < 0.35) this.#shutDown(owner);
    else {
      this.#crash(owner);
      if (this.#random.chance(0.15) && this.#freshStarts++ < FRESH_STARTS_MAX) this.#rewind(owner.partitions);
      this.#start(owner.partitions);
    }
  }

  /** Everybody dies, and their successors read everything again. */
  replayAll(): void {
    for (const process of this.#processes) process.kill();
    this.#processes = [];
    this.#rewind(this.#log.partitions);
    this.startAll();
  }

  /** Highest version at or below what each partition has committed: that stays true until it is rewound. */
  committed(): ReadonlyMap<PartitionId, Version> {
    this.#noteCommitted();
    return this.#committed;
  }

  #noteCommitted(): void {
    for (const process of this.#processes) {
      if (process.fenced) continue;
      for (const [partition, version] of process.committedVersions()) this.#committed.set(partition, version);
    }
    if (!(this.#log instanceof PostgresLog) || !this.#log.snapshotsFinished) return;
    // Once an epoch's snapshots are in, nothing of an older epoch is still to come.
    const lowest = snapshotVersion(this.#log.epoch);
    for (const partition of this.#log.partitions) {
      if ((this.#committed.get(partition) ?? -1) < lowest) this.#committed.set(partition, lowest);
    }
  }

  #start(partitions: readonly PartitionId[]): void {
    this.#processes.push(new Process(`process ${this.#started++}`, partitions, this.settings, this.#around));
  }

  #crash(process: Process): void {
    this.#noteCommitted();
    process.fenced = true;
    if (this.#stopping === process) this.#stopping = undefined;
    // One that has not started yet would register its settings after its successor's and win: the last start wins.
    if (this.#random.chance(0.4) && process.pipeline !== undefined) {
      process.zombieUntil = this.#scheduler.now + 20 + this.#random.int(ZOMBIE_MS - 20);
      this.zombiesUntil = Math.max(this.zombiesUntil, process.zombieUntil);
      this.#scheduler.log(`ZOMBIE ${process.name}`);
    } else {
      this.#scheduler.log(`CRASH ${process.name}`);
      process.kill();
    }
  }

  /** SIGTERM: it drains and commits; its successor starts once it has ended. */
  #shutDown(process: Process): void {
    if (this.#stopping !== undefined) return;
    this.#scheduler.log(`STOP ${process.name}`);
    this.#stopping = process;
    process.stop();
  }

  #rewind(partitions: readonly PartitionId[]): void {
    this.#scheduler.log(`REPLAY ${partitions.join(', ')}`);
    this.#log.rewind(partitions);
    for (const partition of partitions) this.#committed.delete(partition);
  }

  #changeSettings(): void {
    this.#freshStarts++;
    const { chunker, embedder, mapping } = this.settings;
    const flip = (value: number): number => (this.#random.chance(0.5) ? 1 - value : value);
    this.settings = { chunker: flip(chunker), embedder: flip(embedder), mapping: flip(mapping) };
    this.#restartAll(() => {
      // Rows of a log without a history can only be read again in a new epoch.
      if (this.#log instanceof PostgresLog) this.#log.newEpoch(0);
      else this.#rewind(this.#log.partitions);
    });
  }

  #loseSlot(log: PostgresLog): void {
    this.#freshStarts++;
    this.#restartAll(() => log.newEpoch(this.#random.int(4)));
  }

  #restartAll(meanwhile: () => void): void {
    for (const process of this.#processes.filter((one) => !one.fenced)) this.#crash(process);
    meanwhile();
    this.startAll();
  }
}
