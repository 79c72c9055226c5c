import type { AddedFields, EnvelopeRecord } from 'debezium-ts-types';
import type { DecodedTable } from './options.ts';

/** Finds the configured table that a record belongs to. */
export class Tables {
  readonly #byName = new Map<string, DecodedTable>();
  readonly #byTopic = new Map<string, DecodedTable[]>();
  readonly #topicPrefix: string | undefined;
  /** What a topic's name said, for records that say nothing themselves. */
  readonly #guessed = new Map<string, DecodedTable | undefined>();

  constructor(tables: readonly DecodedTable[], topicPrefix: string | undefined) {
    this.#topicPrefix = topicPrefix;
    for (const table of tables) {
      this.#byName.set(table.name, table);
      if (table.topic === undefined) continue;
      this.#byTopic.set(table.topic, [...(this.#byTopic.get(table.topic) ?? []), table]);
    }
  }

  ofEnvelope(record: EnvelopeRecord): DecodedTable | undefined {
    // SQL Server's tables may be named with their database, to tell databases of one connector apart.
    return this.#of(record.topic, [record.table, `${record.source.db ?? ''}.${record.table}`]);
  }

  ofUnwrapped(topic: string, { db, schema, table }: AddedFields): DecodedTable | undefined {
    if (table === null) return this.ofTopic(topic);
    const names = [`${schema ?? ''}.${table}`, `${db ?? ''}.${table}`, `${db ?? ''}.${schema ?? ''}.${table}`];
    return this.#of(topic, names) ?? (schema === null ? this.ofTopic(topic) : undefined);
  }

  /** By the topic's name alone, as Debezium makes it: `<prefix>.<name>`. */
  ofTopic(topic: string): DecodedTable | undefined {
    const named = this.#byTopic.get(topic);
    if (named !== undefined) return named.length === 1 ? named[0] : undefined;
    if (!this.#guessed.has(topic)) this.#guessed.set(topic, this.#guess(topic));
    return this.#guessed.get(topic);
  }

  #of(topic: string, names: readonly string[]): DecodedTable | undefined {
    const named = this.#byTopic.get(topic);
    // Whatever was routed into a topic of one table is that table, e.g. shards of it under other names.
    if (named?.length === 1) return named[0];
    for (const name of names) {
      const table = this.#byName.get(name);
      // A table with a topic of its own is not read from another: offsets of two topics do not compare.
      if (table !== undefined && (table.topic === undefined || table.topic === topic)) return table;
    }
    return undefined;
  }

  #guess(topic: string): DecodedTable | undefined {
    let longest: DecodedTable | undefined;
    for (const table of this.#byName.values()) {
      const matches =
        this.#topicPrefix === undefined
          ? topic === table.name || topic.endsWith(`.${table.name}`)
          : topic === `${this.#topicPrefix}.${table.name}`;
      if (matches && table.topic === undefined && table.name.length > (longest?.name.length ?? 0)) longest = table;
    }
    return longest;
  }
}
