import { setImmediate as macrotask } from 'node:timers/promises';
import type {
  GroupMember,
  KafkaClient,
  MemberListener,
  TopicOffset,
  TopicPartition,
} from '../../../../connectors/kafka/client/client.ts';
import { partitionKey } from '../../../../connectors/kafka/client/client.ts';
import type { KafkaRecord } from '../../../../connectors/kafka/record.ts';
import type { FreshetError } from '../../../../src/domain/errors.ts';
import type { TestRow } from './rows.ts';

interface Partition {
  start: bigint;
  records: KafkaRecord[];
  end: bigint;
}

const BATCH_RECORDS = 20;

/** Topics and consumer groups in memory, with the eager protocol: what the source asks of kafkajs, without a broker. */
export class MemoryKafka {
  id = 'cluster-1';
  readonly topics = new Map<string, Partition[]>();
  readonly groups = new Map<string, Group>();
  readonly compacted = new Set<string>();
  /** Every call fails until it is cleared. */
  away: FreshetError | undefined;
  clock = 1_000;

  topic(name: string, partitions: number): string {
    this.topics.set(
      name,
      Array.from({ length: partitions }, () => ({ start: 0n, records: [], end: 0n })),
    );
    return name;
  }

  grow(name: string): void {
    this.topics.get(name)!.push({ start: 0n, records: [], end: 0n });
  }

  write(topic: string, key: number, row: TestRow | null, partition = 0): void {
    const log = this.topics.get(topic)![partition]!;
    log.records.push({
      topic,
      partition,
      offset: log.end,
      timestamp: (this.clock += 1),
      key: Buffer.from(String(key)),
      value: row === null ? null : Buffer.from(JSON.stringify(row)),
      headers: {},
    });
    log.end += 1n;
    this.pump();
  }

  /** A transaction marker, or the place of a record that compaction removed: an offset without a record. */
  skip(topic: string, partition = 0): void {
    this.topics.get(topic)![partition]!.end += 1n;
    this.pump();
  }

  removeBefore(topic: string, offset: bigint, partition = 0): void {
    const log = this.topics.get(topic)![partition]!;
    log.start = offset;
    log.records = log.records.filter((record) => record.offset >= offset);
  }

  committed(groupId: string, topic: string, partition = 0): bigint | undefined {
    return this.groups.get(groupId)?.committed.get(`${topic}/${partition}`);
  }

  client(): KafkaClient {
    const check = (): void => {
      if (this.away !== undefined) throw this.away;
    };
    const each = (
      names: readonly string[],
      pick: (log: Partition, key: string) => bigint | undefined,
    ): Map<string, bigint> => {
      check();
      const found = new Map<string, bigint>();
      for (const topic of names) {
        this.topics.get(topic)?.forEach((log, partition) => {
          const key = partitionKey({ topic, partition });
          const offset = pick(log, key);
          if (offset !== undefined) found.set(key, offset);
        });
      }
      return found;
    };
    return {
      log: {
        cluster: async () => {
          check();
          return { id: this.id, topics: new Map([...this.topics].map(([name, logs]) => [name, logs.length])) };
        },
        offsets: async (names, at) =>
          each(names, (log) => {
            if (at === 'earliest') return log.start;
            if (at === 'end') return log.end;
            return log.records.find(({ timestamp }) => timestamp >= at.timestamp)?.offset ?? log.end;
          }),
        committed: async (groupId, names) => each(names, (_, key) => this.#group(groupId).committed.get(key)),
        fetch: async ({ topic, partition, offset }) => {
          check();
          const log = this.topics.get(topic)?.[partition];
          const records = log?.records.filter((record) => record.offset >= offset).slice(0, BATCH_RECORDS) ?? [];
          const last = records.at(-1);
          return { records, next: last === undefined ? offset : last.offset + 1n };
        },
        compacted: async (names) => new Set(names.filter((name) => this.compacted.has(name))),
      },
      join: async (groupId, topics, listener) => {
        check();
        return this.#group(groupId).join(topics, listener);
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  pump(): void {
    for (const group of this.groups.values()) group.pump();
  }

  #group(id: string): Group {
    const group = this.groups.get(id) ?? new Group(this);
    this.groups.set(id, group);
    return group;
  }
}

export class Group {
  readonly committed = new Map<string, bigint>();
  members: Member[] = [];
  readonly #kafka: MemoryKafka;
  #turn: Promise<void> = Promise.resolve();

  constructor(kafka: MemoryKafka) {
    this.#kafka = kafka;
  }

  join(topics: readonly string[], listener: MemberListener): Member {
    const member = new Member(this, this.#kafka, topics, listener);
    this.members.push(member);
    this.rebalance();
    return member;
  }

  rebalance(): void {
    this.#turn = this.#turn.then(async () => {
      const old = [...this.members];
      await Promise.all(old.map((member) => member.revoke()));
      const members = this.members;
      const topics = [...new Set(members.flatMap((member) => member.topics))].sort();
      const all = topics.flatMap((topic) =>
        (this.#kafka.topics.get(topic) ?? []).map((_, partition) => ({ topic, partition })),
      );
      members.forEach((member, at) => member.assign(all.filter((_, index) => index % members.length === at)));
    });
  }

  /** The group forgets a member that does not know it. */
  expel(member: Member): void {
    this.members = this.members.filter((other) => other !== member);
    member.isExpelled = true;
    this.rebalance();
  }

  pump(): void {
    for (const member of this.members) member.pump();
  }
}

export class Member implements GroupMember {
  readonly topics: readonly string[];
  isExpelled = false;
  readonly #group: Group;
  readonly #kafka: MemoryKafka;
  readonly #listener: MemberListener;
  #reading = new Map<string, { readonly where: TopicPartition; next: bigint; isPaused: boolean }>();
  #isPumping = false;
  #hasPartitions = false;

  constructor(group: Group, kafka: MemoryKafka, topics: readonly string[], listener: MemberListener) {
    this.#group = group;
    this.#kafka = kafka;
    this.topics = topics;
    this.#listener = listener;
  }

  assign(partitions: readonly TopicPartition[]): void {
    this.#hasPartitions = true;
    this.#listener.assigned(partitions);
  }

  async revoke(): Promise<void> {
    this.#reading.clear();
    if (this.#hasPartitions) await this.#listener.revoking(new AbortController().signal);
  }

  /** It hears of what happened while it was frozen, and joins again. */
  thaw(): void {
    this.#reading.clear();
    this.#listener.lost();
    this.isExpelled = false;
    this.#hasPartitions = false;
    this.#group.members.push(this);
    this.#group.rebalance();
  }

  crash(error: FreshetError): void {
    this.#group.expel(this);
    this.#listener.ended(error);
  }

  /** The client reads on elsewhere than it was told. */
  jump(topic: string, to: bigint, partition = 0): void {
    this.#reading.get(`${topic}/${partition}`)!.next = to;
    this.pump();
  }

  start(at: readonly TopicOffset[]): void {
    for (const { topic, partition, offset } of at) {
      const where = { topic, partition };
      this.#reading.set(partitionKey(where), { where, next: offset, isPaused: false });
    }
    this.pump();
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const where of partitions) this.#set(where, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const where of partitions) this.#set(where, false);
    this.pump();
  }

  async commit(offsets: readonly TopicOffset[]): Promise<'committed' | 'lost'> {
    await macrotask();
    if (this.isExpelled) return 'lost';
    if (this.#kafka.away !== undefined) throw this.#kafka.away;
    for (const where of offsets) this.#group.committed.set(partitionKey(where), where.offset);
    return 'committed';
  }

  async leave(): Promise<void> {
    if (!this.#group.members.includes(this)) return;
    this.#hasPartitions = false;
    this.#group.expel(this);
  }

  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      let isMore = false;
      for (const reading of this.#reading.values()) {
        const { where, next, isPaused } = reading;
        const log = this.#kafka.topics.get(where.topic)?.[where.partition];
        if (isPaused || log === undefined || next >= log.end) continue;
        const records = log.records.filter(({ offset }) => offset >= next).slice(0, BATCH_RECORDS);
        const last = records.at(-1);
        reading.next = last === undefined ? log.end : last.offset + 1n;
        isMore = true;
        this.#listener.records({ ...where, records, askedFor: next, next: reading.next });
      }
      if (isMore) this.pump();
    });
  }

  #set(where: TopicPartition, isPaused: boolean): void {
    const reading = this.#reading.get(partitionKey(where));
    if (reading !== undefined) reading.isPaused = isPaused;
  }
}
