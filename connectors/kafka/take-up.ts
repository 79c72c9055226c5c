import { FreshetError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { partitionKey, type LogReader, type TopicPartition } from './client/client.ts';
import { epochLowered, partitionsChanged, resume, type Observed } from './epoch.ts';
import { isSameSettings, type Say } from './identify.ts';
import { inParallel } from './in-parallel.ts';
import { PartitionProgress } from './partition-progress.ts';
import type { PartitionState, SourceState, StateStore } from './state.ts';
import { compareWitness } from './witness.ts';

export interface TakeUpDeps {
  readonly name: string;
  readonly groupId: string;
  /** As it was when this process began. */
  readonly own: SourceState;
  readonly rowless: readonly string[];
  readonly log: LogReader;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly say: Say;
}

export interface TakenUp {
  readonly progress: PartitionProgress;
  /** To be saved before its first record: what is known of a partition must not depend on how far this process gets. */
  readonly isNew: boolean;
}

/** A new leader may tell an end below what the old one had, until it heard of it from its followers. */
const SECOND_LOOKS = 4;
const SECOND_LOOK_MS = 1_000;

/**
 * Where to begin in partitions that were just assigned, with everything checked that may have changed since they were last read.
 * @throws fatal KAFKA_*, transient
 */
export async function takeUp(
  deps: TakeUpDeps,
  assigned: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<readonly TakenUp[]> {
  for (let look = 1; ; look += 1) {
    try {
      return await takeUpOnce(deps, assigned);
    } catch (error) {
      const mayPass = error instanceof FreshetError && error.code === 'KAFKA_TOPIC_RECREATED' && look < SECOND_LOOKS;
      if (!mayPass) throw error;
      await deps.clock.sleep(SECOND_LOOK_MS, signal);
    }
  }
}

async function takeUpOnce(deps: TakeUpDeps, assigned: readonly TopicPartition[]): Promise<readonly TakenUp[]> {
  if (assigned.length === 0) return [];
  const { name, groupId, own, log, store, say } = deps;
  const { epoch } = own;
  const topics = [...new Set(assigned.map(({ topic }) => topic))];
  // The shared state is read again: another instance may have asked for everything to be read again.
  const [shared, starts, cluster, earliest, ends, committed, stored] = await Promise.all([
    store.source(),
    store.starts(epoch),
    log.cluster(),
    log.offsets(topics, 'earliest'),
    log.offsets(topics, 'end'),
    log.committed(groupId, topics),
    inParallel(assigned, (where) => store.partition(partitionKey(where))),
  ]);
  if (shared !== undefined && shared.epoch > epoch) throw epochLowered(shared.epoch, epoch);
  const isBorrowed = isSuperseded(name, own, shared);
  if (isBorrowed) {
    say(
      'warn',
      'KAFKA_SETTINGS_SUPERSEDED',
      `An instance with other settings feeds source "${name}" into the same index: it indexes every row anew. This one goes on under its own settings until it is stopped, and what it writes meanwhile is indexed again. Start it again with the new settings.`,
    );
  }
  return inParallel(assigned, async (where, at) => {
    const key = partitionKey(where);
    const partitions = cluster.topics.get(where.topic);
    if (partitions === undefined) throw vanished(where);
    if (deps.rowless.includes(where.topic)) {
      const known = { cluster: cluster.id, epoch, reading: shared?.reading ?? 0, partitions };
      return takeUpRowless(name, where, known, [earliest.get(key), committed.get(key), ends.get(key)]);
    }
    const before = stored[at];
    // A partition that is new has nothing stored; its topic's first one knows how many there were.
    const first = before ?? (await store.partition(partitionKey({ topic: where.topic, partition: 0 })));
    if (first !== undefined && first.epoch === epoch && first.partitions !== partitions) {
      throw partitionsChanged(where, first.partitions, partitions);
    }
    const low = earliest.get(key);
    const end = ends.get(key);
    if (low === undefined || end === undefined) throw vanished(where);
    const isKnown = before !== undefined && before.epoch === epoch;
    const observed: Observed = {
      cluster: cluster.id,
      partitions,
      earliest: low,
      end,
      committed: committed.get(key),
      witness: isKnown ? await compareWitness(log, where, before.witness, low, end) : 'gone',
    };
    const reading = isBorrowed ? (before?.reading ?? own.reading) : (shared ?? own).reading;
    const wanted = { epoch, reading, start: starts.get(key) ?? low, isBorrowed };
    const { at: offset, isNew, commitExpired } = resume(where, before, observed, wanted);
    if (commitExpired) {
      say(
        'warn',
        'KAFKA_COMMIT_EXPIRED',
        `${key}: the consumer group has no offset any more; going on at the index's own, ${offset}.`,
      );
    }
    const state: PartitionState = {
      cluster: cluster.id,
      epoch,
      reading,
      partitions,
      next: offset,
      end,
      backlog: isNew ? end : before!.backlog,
      ...(isKnown && before.witness !== undefined ? { witness: before.witness } : {}),
    };
    return { progress: new PartitionProgress(name, where, state, offset, observed.committed, isBorrowed), isNew };
  });
}

/**
 * Whether newer settings than ours are in use. What we read then we only borrow: the stored positions stay those of the newer settings,
 * whose instances go on from there, over everything that was written here meanwhile.
 * @throws fatal KAFKA_SETTINGS_RETURNED when the newest settings are ours again: what was indexed under those between stands above what we
 * would write, until we start again in a generation above theirs
 */
function isSuperseded(name: string, own: SourceState, shared: SourceState | undefined): boolean {
  if (shared === undefined || shared.settings === own.settings) return false;
  if (!isSameSettings(shared.tables, own.tables)) return true;
  throw new FreshetError(
    'KAFKA_SETTINGS_RETURNED',
    'fatal',
    `Other settings were in use for source "${name}" since this instance was started, and were taken back. Start it again, so that what was indexed under them is indexed anew.`,
  );
}

/** No version comes from its offsets, and nothing is lost with its records: whatever happened to it, it is read from where that is possible. */
function takeUpRowless(
  source: string,
  where: TopicPartition,
  known: Pick<PartitionState, 'cluster' | 'epoch' | 'reading' | 'partitions'>,
  [earliest, committed, end]: readonly (bigint | undefined)[],
): TakenUp {
  if (earliest === undefined || end === undefined) throw vanished(where);
  const at = committed === undefined || committed < earliest || committed > end ? earliest : committed;
  const state: PartitionState = { ...known, next: at, end, backlog: at };
  return { progress: new PartitionProgress(source, where, state, at, committed), isNew: true };
}

function vanished({ topic, partition }: TopicPartition): FreshetError {
  return new FreshetError(
    'KAFKA_TOPIC_GONE',
    'transient',
    `Partition ${partition} of topic ${topic} is not there (any more).`,
  );
}
