import { FreshetError, type ErrorDetails } from '../../src/domain/errors.ts';
import type { TopicPartition } from './client/client.ts';
import type { PartitionState } from './state.ts';

/** What the cluster says of a partition that was just assigned. */
export interface Observed {
  readonly cluster: string;
  /** Of the topic. */
  readonly partitions: number;
  readonly earliest: bigint;
  readonly end: bigint;
  /** The group's; undefined when there is none, or none any more (they expire after 7 days without a member). */
  readonly committed: bigint | undefined;
  /** Whether the record remembered is the one that is there. `gone` also when it was compacted or expired away. */
  readonly witness: 'same' | 'another' | 'gone';
}

/** What the source wants now. */
export interface Wanted {
  readonly epoch: number;
  readonly reading: number;
  /** By the source's `start`; only where nothing was read in this epoch. */
  readonly start: bigint;
  /** Read under settings that others replaced: the stored position is of theirs, the group's is how far anybody came. */
  readonly isBorrowed?: boolean;
}

export interface Resume {
  readonly at: bigint;
  /** A first reading, of an epoch or of settings: what is above is not in the index in that sense yet. */
  readonly isNew: boolean;
  /** The group's offset had expired, and the stored one took its place. */
  readonly commitExpired: boolean;
}

/** Not an incremental one: it has no last row, and without that nobody knows which rows it did not bring again. */
const NEW_SNAPSHOT =
  'take a new snapshot with the connector (the signal "execute-snapshot" of type "blocking", or a new connector)';
const SNAPSHOT_AND_EPOCH = `T${NEW_SNAPSHOT.slice(1)}, then raise "epoch" of the source by one.`;

/**
 * Where to go on in a partition, or why not (design: epochs). Offsets are versions: were they to mean other records than when they were
 * stored, every later change of a row could be dropped as old, silently and for ever. So whatever could put them back stops the source.
 *
 * The position is the lower of what the group committed and what the index stored: an index restored from a backup is fed again what it
 * lacks, and everything below the stored one is in it, even where the group has forgotten.
 * @throws fatal KAFKA_*
 */
export function resume(
  where: TopicPartition,
  stored: PartitionState | undefined,
  observed: Observed,
  wanted: Wanted,
): Resume {
  const { earliest, end, committed } = observed;
  if (stored !== undefined && stored.epoch > wanted.epoch) throw epochLowered(stored.epoch, wanted.epoch);
  if (stored === undefined || stored.epoch < wanted.epoch) {
    // Of an older epoch, or of nobody knows what: it may only make the reading longer.
    const known = stored === undefined && committed !== undefined && committed <= end ? committed : wanted.start;
    return { at: clamp(lower(known, wanted.start), earliest, end), isNew: true, commitExpired: false };
  }
  refuseOtherLog(where, stored, observed);
  if (stored.reading < wanted.reading) return { at: earliest, isNew: true, commitExpired: false };
  if (earliest > stored.next) {
    throw fatal(
      'KAFKA_OFFSETS_LOST',
      where,
      `starts at offset ${earliest}, but is indexed only up to ${stored.next}: the records between were removed before they were read. ${SNAPSHOT_AND_EPOCH} Then raise the topic's retention.ms.`,
      { earliest: String(earliest), next: String(stored.next) },
    );
  }
  const reached = wanted.isBorrowed === true && committed !== undefined ? committed : stored.next;
  const at = clamp(lower(committed ?? stored.next, reached), earliest, end);
  return { at, isNew: false, commitExpired: committed === undefined };
}

function refuseOtherLog(where: TopicPartition, stored: PartitionState, observed: Observed): void {
  const { cluster, partitions, end, committed, witness } = observed;
  if (stored.cluster !== cluster) {
    throw fatal(
      'KAFKA_CLUSTER_CHANGED',
      where,
      `is now read from another cluster than the one it was indexed from. Point "brokers" back at that one; or, if the move is meant: ${lowerFirst(SNAPSHOT_AND_EPOCH)}`,
    );
  }
  if (stored.partitions !== partitions) throw partitionsChanged(where, stored.partitions, partitions);
  const furthest = stored.end > stored.next ? stored.end : stored.next;
  if (end < furthest || (committed !== undefined && committed > end) || witness === 'another') {
    throw topicRecreated(
      where,
      witness === 'another' ? 'holds another record than the one indexed' : `ends at ${end}`,
      {
        end: String(end),
        seen: String(furthest),
      },
    );
  }
}

export function topicRecreated(where: TopicPartition, evidence: string, details: ErrorDetails = {}): FreshetError {
  return fatal(
    'KAFKA_TOPIC_RECREATED',
    where,
    `${evidence}, where more was read before: the topic was deleted and created again, or lost records. ${SNAPSHOT_AND_EPOCH}`,
    details,
  );
}

/**
 * A new epoch over the whole topic would not do: its older records lie where the old number put them, and the newest of a row that moved
 * may have the lower offset.
 */
export function partitionsChanged(where: TopicPartition, before: number, now: number): FreshetError {
  return fatal(
    'KAFKA_PARTITIONS_CHANGED',
    where,
    `belongs to a topic that had ${before} partition(s) and has ${now}: rows moved between partitions, and their old and new offsets cannot be compared. Restart the connector, so that it writes to all partitions, and note the time; ${NEW_SNAPSHOT}; then raise "epoch" of the source by one and set its "start" to { timestamp: <the time noted> }.`,
    { before, now },
  );
}

export function epochLowered(stored: number, wanted: number): FreshetError {
  return new FreshetError(
    'KAFKA_EPOCH_LOWERED',
    'fatal',
    `The index holds epoch ${stored} of this source, but its configuration says ${wanted}: everything read would be dropped as older. Set "epoch" to ${stored}.`,
    { details: { stored, wanted } },
  );
}

/** The log is asked for from its beginning, and its beginning is gone. */
export function topicIncomplete(where: TopicPartition, earliest: bigint, why: string): FreshetError {
  return fatal(
    'KAFKA_TOPIC_INCOMPLETE',
    where,
    `starts at offset ${earliest}: what was removed cannot be read again, but ${why}. ${SNAPSHOT_AND_EPOCH}`,
    { earliest: String(earliest) },
  );
}

function fatal(
  code: string,
  { topic, partition }: TopicPartition,
  what: string,
  more: ErrorDetails = {},
): FreshetError {
  return new FreshetError(code, 'fatal', `Partition ${partition} of topic ${topic} ${what}`, {
    details: { topic, partition, ...more },
  });
}

const lower = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const clamp = (n: bigint, low: bigint, high: bigint): bigint => (n < low ? low : n > high ? high : n);
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
