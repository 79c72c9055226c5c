import { FreshetError } from '../../src/domain/errors.ts';
import type { LogReader } from './client/client.ts';
import { partitionsChanged } from './epoch.ts';
import type { Say } from './identify.ts';
import type { KafkaLimits, KafkaSourceOptions } from './options.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { StateStore } from './state.ts';
import { isWanted, matchingTopics } from './topics.ts';

/** Looks in a row that must miss a topic: a broker that just started may not know all of them. */
const LOOKS = 5;
const LOOK_MS = 2_000;

/** Which topics there are to be read: at the start, and while they are read. */
export class TopicWatch {
  readonly #options: KafkaSourceOptions;
  readonly #limits: KafkaLimits;
  readonly #log: LogReader;
  readonly #store: StateStore;
  readonly #say: Say;
  #found: readonly string[] = [];
  #partitions = 0;

  constructor(options: KafkaSourceOptions, limits: KafkaLimits, log: LogReader, store: StateStore, say: Say) {
    this.#options = options;
    this.#limits = limits;
    this.#log = log;
    this.#store = store;
    this.#say = say;
  }

  /** Those of the group, as far as this process knows. */
  get found(): readonly string[] {
    return this.#found;
  }

  /** Of all of them together. */
  get partitions(): number {
    return this.#partitions;
  }

  /**
   * Waits until there is one.
   * @throws fatal KAFKA_TOPIC_DELETED, transient, aborted
   */
  async find(signal: AbortSignal): Promise<readonly string[]> {
    const { clock, epoch = 0 } = this.#options;
    const known = (await this.#store.topics(epoch)).filter((topic) => isWanted(this.#options.topics, topic));
    for (let look = 1; ; look += 1) {
      const { topics } = await this.#log.cluster();
      const found = matchingTopics(this.#options.topics, topics.keys());
      const gone = known.filter((topic) => !found.includes(topic) && this.#holdsRows(topic));
      if (gone.length > 0) {
        if (look >= LOOKS) throw this.#deleted(gone);
        await clock.sleep(Math.min(LOOK_MS, this.#limits.topicsMs), signal);
      } else if (found.length > 0) {
        this.#sayMissing(found);
        await this.#remember(found, known, epoch);
        this.#found = found;
        this.#partitions = found.reduce((sum, topic) => sum + (topics.get(topic) ?? 0), 0);
        return found;
      } else {
        if (look === 1) this.#sayNone();
        await clock.sleep(this.#limits.topicsMs, signal);
      }
    }
  }

  /**
   * Why the group is to be joined again, if it is.
   * @throws fatal KAFKA_PARTITIONS_CHANGED, transient
   */
  async look(assigned: readonly PartitionProgress[]): Promise<string | undefined> {
    const { topics } = await this.#log.cluster();
    for (const partition of assigned) {
      const known = partition.state.partitions;
      const now = topics.get(partition.topic);
      if (now === undefined || now === known) continue;
      if (!this.#holdsRows(partition.topic)) return `${partition.topic} has ${now} partition(s) now`;
      throw partitionsChanged(partition, known, now);
    }
    const found = matchingTopics(this.#options.topics, topics.keys());
    return found.join() === this.#found.join() ? undefined : `its topics are ${found.join(', ')} now`;
  }

  #holdsRows(topic: string): boolean {
    return this.#options.rowless?.includes(topic) !== true;
  }

  async #remember(found: readonly string[], known: readonly string[], epoch: number): Promise<void> {
    const added = found.filter((topic) => !known.includes(topic));
    if (added.length > 0) await this.#store.saveTopics(epoch, [...known, ...added]);
  }

  #deleted(gone: readonly string[]): FreshetError {
    return new FreshetError(
      'KAFKA_TOPIC_DELETED',
      'fatal',
      `Topics that source "${this.#options.name}" was read from are not there any more: ${gone.join(', ')}. Whatever happens to their rows now would go unnoticed. If they were removed on purpose, take them (and their tables) out of the source; otherwise bring them back with a new snapshot of the connector, and raise "epoch" of the source by one.`,
      { details: { topics: gone.join(', ') } },
    );
  }

  #sayNone(): void {
    const { name, topics } = this.#options;
    const wanted = topics.map(String).join(', ');
    this.#say('warn', 'KAFKA_NO_TOPIC', `Source "${name}" waits for its topics (${wanted}): there is none yet.`);
  }

  /** A connector makes a topic when a table gets its first row, so it may be nothing; or a name is misspelt. */
  #sayMissing(found: readonly string[]): void {
    const { name, topics } = this.#options;
    const names = topics.filter((topic) => typeof topic === 'string');
    const missing = names.filter((topic) => !found.includes(topic) && this.#holdsRows(topic));
    if (missing.length === 0) return;
    this.#say(
      'info',
      'KAFKA_NO_TOPIC',
      `Source "${name}" reads ${missing.join(', ')} too, once there are topics of that name.`,
    );
  }
}
