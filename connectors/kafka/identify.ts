import { FreshetError } from '../../src/domain/errors.ts';
import { partitionKey, type LogReader, type Offsets } from './client/client.ts';
import { epochLowered, partitionsChanged, topicIncomplete } from './epoch.ts';
import type { KafkaSourceOptions, KafkaStart } from './options.ts';
import type { SourceState, StateStore } from './state.ts';
import { matchingTopics } from './topics.ts';
import { compareWitness } from './witness.ts';

export type Say = (level: 'info' | 'warn' | 'error', code: string, message: string) => void;

/**
 * Once per process, before anything is read: whether this is the source the index was fed from, and whether the log must be read again
 * because rows are to become other documents than they did.
 * @throws fatal KAFKA_*, transient
 */
export async function identify(
  { name, epoch = 0, topics, rowless = [], tables, start = 'earliest' }: KafkaSourceOptions,
  log: LogReader,
  store: StateStore,
  say: Say,
): Promise<SourceState> {
  const [stored, cluster] = await Promise.all([store.source(), log.cluster()]);
  const names = matchingTopics(topics, cluster.topics.keys());
  const fingerprints = Object.fromEntries(tables.map(({ id, fingerprint }) => [id, fingerprint]));
  if (stored !== undefined && stored.epoch > epoch) throw epochLowered(stored.epoch, epoch);
  if (stored === undefined || stored.epoch < epoch) {
    if (start === 'earliest') {
      if (stored?.cluster === cluster.id) await refuseGrown(names, cluster.topics, log, store);
      for (const [topic, { partition, earliest }] of await incompleteTopics(log, names, rowless)) {
        say(
          'warn',
          'KAFKA_TOPIC_INCOMPLETE',
          `Topic ${topic} no longer holds its first records (partition ${partition} starts at offset ${earliest}) and is not compacted: rows that did not change since are missing until an incremental snapshot brings them.`,
        );
      }
    }
    const state: SourceState = { cluster: cluster.id, epoch, reading: 0, tables: fingerprints, settings: 0 };
    // In this order: who finds the epoch begun finds where its partitions begin.
    await store.saveStarts(epoch, await startOffsets(log, start, names));
    await store.saveTopics(epoch, names);
    await store.saveSource(state);
    say('info', 'KAFKA_EPOCH', `Source "${name}" starts epoch ${epoch}: it reads ${names.length} topic(s).`);
    return state;
  }
  if (stored.cluster !== cluster.id) {
    throw new FreshetError(
      'KAFKA_CLUSTER_CHANGED',
      'fatal',
      `Source "${name}" was indexed from another cluster than the one its brokers belong to now. Point "brokers" back at that one; or, if the move is meant, take a new snapshot with the connector and raise "epoch" of the source by one.`,
    );
  }
  const changed = tables.filter(({ id, fingerprint }) => (stored.tables[id] ?? fingerprint) !== fingerprint);
  const added = tables.filter(({ id }) => stored.tables[id] === undefined);
  let { reading } = stored;
  if (changed.length > 0 || added.length > 0) {
    const known = await store.topics(epoch);
    const old = names.filter((topic) => known.includes(topic));
    for (const [topic, { partition, earliest }] of await incompleteTopics(log, old, rowless)) {
      const why = `the settings of ${changed.map(({ id }) => id).join(', ')} were changed (mapping, redaction, chunker or embedder), and every row must be indexed anew`;
      if (changed.length > 0) throw topicIncomplete({ topic, partition }, earliest, why);
      say(
        'warn',
        'KAFKA_TOPIC_INCOMPLETE',
        `Tables were added (${added.map(({ id }) => id).join(', ')}), but topic ${topic} no longer holds its first records: rows that did not change since are missing until an incremental snapshot brings them.`,
      );
    }
    reading += 1;
    say(
      'info',
      'KAFKA_READING',
      `Source "${name}" reads its topics again: tables were added or their settings changed.`,
    );
  }
  if (isSameSettings(fingerprints, stored.tables)) return stored;
  // Also where a table was taken out: should it come back, what happened to it meanwhile must be read.
  const state = { ...stored, reading, tables: fingerprints, settings: stored.settings + 1 };
  await store.saveSource(state);
  return state;
}

export function isSameSettings(a: SourceState['tables'], b: SourceState['tables']): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/**
 * A topic that was made anew may have any number of partitions; one that still holds a record it had grew. To be called before anything of
 * the new epoch is stored: `start` counts only then.
 * @throws fatal KAFKA_PARTITIONS_CHANGED, transient
 */
async function refuseGrown(
  names: readonly string[],
  counts: ReadonlyMap<string, number>,
  log: LogReader,
  store: StateStore,
): Promise<void> {
  for (const topic of names) {
    const before = (await store.partition(partitionKey({ topic, partition: 0 })))?.partitions;
    const now = counts.get(topic);
    if (before === undefined || now === undefined || before >= now) continue;
    const [earliest, ends] = await Promise.all([log.offsets([topic], 'earliest'), log.offsets([topic], 'end')]);
    for (let partition = 0; partition < before; partition += 1) {
      const where = { topic, partition };
      const key = partitionKey(where);
      const witness = (await store.partition(key))?.witness;
      const found = await compareWitness(log, where, witness, earliest.get(key) ?? 0n, ends.get(key) ?? 0n);
      if (found === 'same') throw partitionsChanged(where, before, now);
    }
  }
}

/** Where the partitions that are there begin, if not at `earliest`. */
async function startOffsets(log: LogReader, start: KafkaStart, topics: readonly string[]): Promise<Offsets> {
  if (start === 'earliest' || topics.length === 0) return new Map();
  if (start === 'latest') return log.offsets(topics, 'end');
  if ('timestamp' in start) return log.offsets(topics, start);
  return new Map(Object.entries(start.offsets).map(([key, offset]) => [key, BigInt(offset)]));
}

/** The first partition of each topic of rows whose beginning was removed, for another reason than that a newer record of the key is there. */
export async function incompleteTopics(
  log: LogReader,
  all: readonly string[],
  rowless: readonly string[] = [],
): Promise<ReadonlyMap<string, { readonly partition: number; readonly earliest: bigint }>> {
  const found = new Map<string, { readonly partition: number; readonly earliest: bigint }>();
  const topics = all.filter((topic) => !rowless.includes(topic));
  if (topics.length === 0) return found;
  for (const [key, earliest] of await log.offsets(topics, 'earliest')) {
    const slash = key.lastIndexOf('/');
    const topic = key.slice(0, slash);
    if (earliest > 0n && !found.has(topic)) found.set(topic, { partition: Number(key.slice(slash + 1)), earliest });
  }
  if (found.size === 0) return found;
  for (const topic of await log.compacted([...found.keys()])) found.delete(topic);
  return found;
}
