import type { PartitionId } from '../../src/domain/ids.ts';
import type { Version } from '../../src/domain/version.ts';
import type { KafkaLog } from './kafka-log.ts';
import { Process, type Surroundings } from './process.ts';
import type { Random } from './random.ts';
import type { Settings } from './rows.ts';
import type { Scheduler } from './scheduler.ts';
import { ZOMBIE_MS } from './fleet.ts';

const PROCESSES_MAX = 4;

/** The processes of a run whose log shares its partitions out among them: they join and leave, crash and freeze. */
export class GroupFleet {
  readonly settings: Settings = { embedder: 0, chunker: 0, mapping: 0 };
  /** Rebalances let two writers at one row at any time. */
  readonly zombiesUntil = Infinity;
  readonly #random: Random;
  readonly #log: KafkaLog;
  readonly #scheduler: Scheduler;
  readonly #around: Surroundings;
  readonly #committed = new Map<PartitionId, Version>();
  readonly #frozen = new Set<Process>();
  #processes: Process[] = [];
  #expiring = 0;
  #started = 0;

  constructor(deps: {
    readonly random: Random;
    readonly log: KafkaLog;
    readonly scheduler: Scheduler;
    readonly around: Surroundings;
  }) {
    this.#random = deps.random;
    this.#log = deps.log;
    this.#scheduler = deps.scheduler;
    this.#around = deps.around;
  }

  get processes(): readonly Process[] {
    return this.#processes;
  }

  get isChanging(): boolean {
    const { group } = this.#log;
    return group?.isRebalancing === true || this.#expiring > 0 || this.#processes.some(({ leaving }) => leaving);
  }

  startAll(): void {
    for (let n = 1 + this.#random.int(3); n > 0; n--) this.#start();
  }

  attend(): void {
    for (const process of this.#processes) {
      if (!process.finished) continue;
      this.#noteCommitted();
      this.#log.leave(process);
    }
    this.#processes = this.#processes.filter((process) => process.alive);
    if (this.#processes.every(({ leaving }) => leaving)) this.#start();
  }

  disturb(): void {
    const process = this.#random.pick(this.#processes);
    const choice = this.#random.next();
    if (choice < 0.25 && this.#processes.length < PROCESSES_MAX) this.#start();
    else if (choice < 0.45) this.#shutDown(process);
    else if (choice < 0.65) this.#freeze(process);
    else if (choice < 0.85) this.#log.group?.rebalance();
    else this.#crash(process);
  }

  replayAll(): void {
    for (const process of this.#processes) {
      process.kill();
      this.#log.leave(process);
    }
    this.#processes = [];
    this.#scheduler.log('REPLAY');
    this.#log.rewind(this.#log.partitions);
    this.#committed.clear();
    this.startAll();
  }

  committed(): ReadonlyMap<PartitionId, Version> {
    this.#noteCommitted();
    return this.#committed;
  }

  #noteCommitted(): void {
    for (const process of this.#processes) {
      for (const [partition, version] of process.committedVersions()) {
        this.#committed.set(partition, Math.max(version, this.#committed.get(partition) ?? 0) as Version);
      }
    }
  }

  #start(): void {
    this.#processes.push(new Process(`process ${this.#started++}`, [], this.settings, this.#around));
  }

  #shutDown(process: Process): void {
    this.#scheduler.log(`STOP ${process.name}`);
    process.stop();
  }

  /** SIGSTOP, and SIGCONT later: perhaps after its session has expired, and its partitions are another's. */
  #freeze(process: Process): void {
    if (this.#frozen.has(process)) return;
    this.#frozen.add(process);
    this.#scheduler.log(`FREEZE ${process.name}`);
    this.#scheduler.freeze(process);
    const thaw = (): void => {
      this.#scheduler.log(`ZOMBIE ${process.name}`);
      this.#frozen.delete(process);
      this.#scheduler.thaw(process);
    };
    this.#later(20 + this.#random.int(ZOMBIE_MS - 20), thaw);
    if (this.#random.chance(0.7)) this.#later(10 + this.#random.int(60), () => this.#log.expire(process));
  }

  #crash(process: Process): void {
    this.#noteCommitted();
    this.#scheduler.log(`CRASH ${process.name}`);
    process.kill();
    this.#later(10 + this.#random.int(60), () => this.#log.leave(process));
  }

  #later(ms: number, what: () => void): void {
    this.#expiring += 1;
    void this.#scheduler.sleep({ name: 'timer' }, ms).then(() => {
      this.#expiring -= 1;
      what();
    });
  }
}
