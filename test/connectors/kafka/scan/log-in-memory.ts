import type { LogReader, Offsets } from '../../../../connectors/kafka/client/client.ts';
import { partitionKey } from '../../../../connectors/kafka/client/client.ts';
import type { KafkaRecord } from '../../../../connectors/kafka/record.ts';

/** A log that only lies there: what a scan reads. Partitions are those that records name. */
export class LogInMemory implements LogReader {
  readonly #partitions = new Map<string, KafkaRecord[]>();
  readonly #compacted = new Set<string>();
  readonly #from = new Map<string, bigint>();
  /** Fetches so far. */
  fetches = 0;

  add(...records: readonly KafkaRecord[]): this {
    for (const record of records) {
      const key = partitionKey(record);
      this.#partitions.set(key, [...(this.#partitions.get(key) ?? []), record]);
    }
    return this;
  }

  /** As retention does. */
  cutBefore(topic: string, partition: number, offset: bigint): this {
    const key = partitionKey({ topic, partition });
    this.#from.set(key, offset);
    this.#partitions.set(
      key,
      (this.#partitions.get(key) ?? []).filter((record) => record.offset >= offset),
    );
    return this;
  }

  compact(topic: string): this {
    this.#compacted.add(topic);
    return this;
  }

  cluster(): ReturnType<LogReader['cluster']> {
    const topics = new Map<string, number>();
    for (const key of this.#partitions.keys()) {
      const slash = key.lastIndexOf('/');
      const topic = key.slice(0, slash);
      topics.set(topic, Math.max(topics.get(topic) ?? 0, Number(key.slice(slash + 1)) + 1));
    }
    return Promise.resolve({ id: 'in-memory', topics });
  }

  offsets(topics: readonly string[], at: Parameters<LogReader['offsets']>[1]): Promise<Offsets> {
    const found = new Map<string, bigint>();
    for (const [key, records] of this.#partitions) {
      if (!topics.some((topic) => key.startsWith(`${topic}/`))) continue;
      const end = (records.at(-1)?.offset ?? (this.#from.get(key) ?? 0n) - 1n) + 1n;
      found.set(key, at === 'end' ? end : (this.#from.get(key) ?? 0n));
    }
    return Promise.resolve(found);
  }

  committed(): Promise<Offsets> {
    return Promise.resolve(new Map());
  }

  fetch({ topic, partition, offset }: Parameters<LogReader['fetch']>[0]): ReturnType<LogReader['fetch']> {
    this.fetches += 1;
    const all = this.#partitions.get(partitionKey({ topic, partition })) ?? [];
    const records = all.filter((record) => record.offset >= offset).slice(0, 3);
    return Promise.resolve({ records, next: (records.at(-1)?.offset ?? offset - 1n) + 1n });
  }

  compacted(topics: readonly string[]): Promise<ReadonlySet<string>> {
    return Promise.resolve(new Set(topics.filter((topic) => this.#compacted.has(topic))));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
