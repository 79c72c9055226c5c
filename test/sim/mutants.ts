import { isUnreachable } from '../../connectors/memory/sweep.ts';
import { writeParts, type WritePart } from '../../connectors/memory/write.ts';
import type { RowChange } from '../../src/domain/change.ts';
import type { Head } from '../../src/domain/document.ts';
import { chunkId } from '../../src/domain/ids.ts';
import { EPOCH_START, type SourcePosition } from '../../src/domain/source-position.ts';
import { compareStamps, type Stamp, type Version } from '../../src/domain/version.ts';
import { judge } from '../../src/domain/visibility.ts';
import type { Decision, Situation } from '../../src/ingest/decide.ts';
import { RULES, type Rules } from '../../src/ingest/rules.ts';
import type { DocumentWrite, Floor, Index } from '../../src/ports/index-store.ts';
import type { ProfileName } from './profiles.ts';
import type { Mutation } from './simulation.ts';

/** A rule removed, alone. Each must be caught by some seed of its profile. */
export interface Mutant {
  readonly name: string;
  readonly profile: ProfileName;
  readonly mutation: Mutation;
}

type PartName = WritePart['name'];

const written = (...order: readonly PartName[]): Mutation => ({
  parts: (write) => order.flatMap((name) => writeParts(write).filter((part) => part.name === name)),
});

const guarded = (guard: (stored: Stamp | undefined, stamp: Stamp) => boolean): Mutation => ({
  parts: (write) => writeParts(write, guard),
});

type KeptChunk = Pick<Parameters<typeof isUnreachable>[0], 'deleted' | 'attributes'>;

/** The kept chunks as another rule leaves them. */
const kept = (change: (before: KeptChunk, after: KeptChunk) => KeptChunk): Mutation => ({
  parts: (write) =>
    writeParts(write).map((part) => {
      if (part.name !== 'keep') return part;
      return {
        name: part.name,
        run: (store) => {
          const before = new Map(store.chunks.get(write.head.id));
          part.run(store);
          const chunks = store.chunks.get(write.head.id);
          for (const [id, after] of chunks ?? []) {
            const old = before.get(id);
            if (old !== undefined && old !== after) chunks?.set(id, { ...after, ...change(old, after) });
          }
        },
      };
    }),
});

const isUnchanged = ({ head, keep, insert }: DocumentWrite): boolean =>
  !head.deleted && insert.length === 0 && keep.length === head.chunks.length;

const withRules = (rules: Partial<Rules>): Mutation => ({ rules: { ...RULES, ...rules } });

/** What the decision would be had the rule that stopped the change not been there. */
const accepted = (change: RowChange, { head }: Situation): Decision => ({
  action: change.kind === 'row-deleted' ? 'delete' : 'upsert',
  lineage: { sourcePosition: change.sourcePosition ?? head?.sourcePosition, committedAt: change.committedAt },
});

type NothingReason = (Decision & { readonly action: 'nothing' })['reason'];

/** Changes stopped for this reason are accepted, unless another reason holds. */
const without = (
  reason: NothingReason,
  unless: (change: RowChange, situation: Situation) => boolean = () => false,
): Mutation =>
  withRules({
    decide: (change, situation, generation) => {
      const decision = RULES.decide(change, situation, generation);
      const isStopped = decision.action === 'nothing' && decision.reason === reason;
      return isStopped && !unless(change, situation) ? accepted(change, situation) : decision;
    },
  });

/** Changes are stopped for one more reason. */
const stopped = (reason: NothingReason, when: (change: RowChange, situation: Situation) => boolean): Mutation =>
  withRules({
    decide: (change, situation, generation) =>
      when(change, situation) ? { action: 'nothing', reason } : RULES.decide(change, situation, generation),
  });

const isAtOrBelow = (change: RowChange, other: { readonly sourcePosition?: SourcePosition } | undefined): boolean =>
  change.sourcePosition !== undefined &&
  other?.sourcePosition !== undefined &&
  change.sourcePosition <= other.sourcePosition;

const isNoLater = (change: RowChange, head: Head | undefined): boolean =>
  head !== undefined && change.committedAt <= head.committedAt;

/** Floors as they were when each partition was first asked for. */
function cachedFloors(index: Index): Index {
  const floors = new Map<string, Floor | undefined>();
  return {
    ...index,
    floor: async (partition, signal) => {
      if (!floors.has(partition)) floors.set(partition, await index.floor(partition, signal));
      return floors.get(partition);
    },
  };
}

const WRITE: readonly Mutant[] = [
  { name: 'the head is written first', profile: 'kafka', mutation: written('head', 'keep', 'insert', 'tombstone') },
  { name: 'tombstones are written first', profile: 'kafka', mutation: written('tombstone', 'keep', 'insert', 'head') },
  {
    name: 'new chunks come after the tombstones',
    profile: 'kafka',
    mutation: written('keep', 'tombstone', 'insert', 'head'),
  },
  { name: 'writes are not guarded', profile: 'kafka', mutation: guarded(() => true) },
  {
    name: 'the guard lets equal stamps through',
    profile: 'hot',
    mutation: guarded((stored, stamp) => stored === undefined || compareStamps(stored, stamp) <= 0),
  },
  {
    name: 'the guard knows no generations',
    profile: 'hot',
    mutation: guarded((stored, stamp) => stored === undefined || stored.version < stamp.version),
  },
  {
    name: 'kept chunks stay deleted',
    profile: 'hot',
    mutation: kept(({ deleted }, { attributes }) => ({ deleted, attributes })),
  },
  {
    name: 'kept chunks keep their old attributes',
    profile: 'kafka',
    mutation: kept(({ attributes }) => ({ deleted: false, attributes })),
  },
  {
    name: 'an unchanged document moves only its head',
    profile: 'kafka',
    mutation: { parts: (write) => writeParts(write).filter((part) => part.name === 'head' || !isUnchanged(write)) },
  },
];

const DECISION: readonly Mutant[] = [
  { name: 're-sends are taken for changes', profile: 'kafka', mutation: without('resend') },
  {
    name: 'the re-send test comes before the version test',
    profile: 'hot',
    mutation: stopped('resend', (change, { head }) => isAtOrBelow(change, head) && isNoLater(change, head)),
  },
  {
    name: 'an equal version is nothing to do whatever its generation',
    profile: 'hot',
    mutation: stopped('equal', (change, { head }) => head?.version === change.version),
  },
  {
    name: 'a delete without a head writes nothing',
    profile: 'kafka',
    mutation: stopped('older', (change, { head }) => change.kind === 'row-deleted' && head === undefined),
  },
  { name: 'there are no floors', profile: 'slow', mutation: without('below-floor') },
  {
    name: 'floors know no positions',
    profile: 'slow',
    mutation: without('below-floor', (change, { floor }) => floor !== undefined && change.version <= floor.version),
  },
  { name: 'floors are cached', profile: 'slow', mutation: { indexOf: cachedFloors } },
  {
    name: 'reads are coalesced like changes',
    profile: 'kafka',
    mutation: withRules({
      coalesce: (waiting, incoming) =>
        waiting.sourcePosition === undefined || incoming.sourcePosition === undefined
          ? 'replace'
          : RULES.coalesce(waiting, incoming),
    }),
  },
  {
    name: 'a waiting change is replaced by whatever comes later',
    profile: 'kafka',
    mutation: withRules({ coalesce: () => 'replace' }),
  },
  {
    name: 'a newer change is dropped in favour of the waiting one',
    profile: 'kafka',
    mutation: withRules({
      coalesce: (waiting, incoming) => (RULES.coalesce(waiting, incoming) === 'replace' ? 'drop' : 'append'),
    }),
  },
  {
    name: 'equal texts of one document share a chunk id',
    profile: 'kafka',
    mutation: withRules({
      diffChunks: (document, fingerprint, chunks, previous) => {
        const diff = RULES.diffChunks(document, fingerprint, chunks, previous);
        const refs = diff.refs.map((ref, at) => ({
          ...ref,
          id: chunkId(document, fingerprint, chunks[at]?.text ?? '', 0),
        }));
        return { ...diff, refs };
      },
    }),
  },
  {
    name: 'every chunk is embedded again',
    profile: 'kafka',
    mutation: withRules({
      diffChunks: (document, fingerprint, chunks) => RULES.diffChunks(document, fingerprint, chunks, undefined),
    }),
  },
];

const READER: readonly Mutant[] = [
  {
    name: 'readers do not ask the head',
    profile: 'hot',
    mutation: { judge: (chunk) => (chunk.deleted ? 'hide' : 'show') },
  },
  {
    name: 'readers do not search again',
    profile: 'kafka',
    mutation: { judge: (...args) => (judge(...args) === 'retry' ? 'hide' : judge(...args)) },
  },
  {
    name: 'readers show only what the head lists',
    profile: 'kafka',
    mutation: {
      judge: (chunk, head, truncation) => {
        const verdict = judge(chunk, head, truncation);
        return verdict === 'show' && head?.chunks.some((ref) => ref.id === chunk.id) !== true ? 'hide' : verdict;
      },
    },
  },
  {
    name: 'readers know no truncations',
    profile: 'kafka',
    mutation: { judge: (chunk, head) => judge(chunk, head, undefined) },
  },
  {
    name: 'readers do not know when an epoch began',
    profile: 'hot-postgres',
    mutation: {
      judge: (chunk, head, truncation) =>
        judge(chunk, head, truncation?.sourcePosition === EPOCH_START ? undefined : truncation),
    },
  },
];

const SWEEPER: readonly Mutant[] = [
  {
    name: 'sweeps wait for nothing',
    profile: 'sweeping',
    mutation: { sweepLimits: (limits) => ({ ...limits, horizonMs: 0 }) },
  },
  {
    name: 'floors rise above the committed mark',
    profile: 'stalls',
    mutation: {
      sweepLimits: (limits) => ({
        ...limits,
        committed: new Map(
          [...limits.committed.keys()].map((partition) => [partition, Number.MAX_SAFE_INTEGER as Version]),
        ),
      }),
    },
  },
  { name: 'floors rise above dead letters', profile: 'poison-postgres', mutation: { forgetsLetters: true } },
  {
    name: 'sweeps run while a snapshot is unfinished',
    profile: 'stalls-postgres',
    mutation: { sweepsDuringSnapshots: true },
  },
  {
    name: 'a chunk above its head is swept',
    profile: 'slow',
    mutation: {
      unreachable: (chunk, head, limits) =>
        isUnreachable(chunk, head, limits) || (head !== undefined && compareStamps(chunk, head) > 0),
    },
  },
  {
    name: 'ghosts are left behind',
    profile: 'hot-postgres',
    mutation: { unreachable: (chunk, head, limits) => chunk.deleted && isUnreachable(chunk, head, limits) },
  },
];

const SOURCE: readonly Mutant[] = [
  { name: 'snapshot rows do not wait for the stream', profile: 'postgres', mutation: { snapshotsDoNotWait: true } },
  {
    name: 'one position too many is acknowledged',
    profile: 'kafka',
    mutation: {
      sourceOf: (source) => ({
        ...source,
        commit: (positions) =>
          source.commit(positions.map(({ partition, offset }) => ({ partition, offset: offset + 1n }))),
      }),
    },
  },
];

const never = new AbortController().signal;

const HAND_OVER: readonly Mutant[] = [
  {
    name: 'partitions are given up before their work is done',
    profile: 'group',
    mutation: withRules({
      handOver: (partitions, _how, deadline, state) => RULES.handOver(partitions, 'lost', deadline, state),
    }),
  },
  {
    name: 'lost partitions are waited for',
    profile: 'group',
    mutation: withRules({
      handOver: (partitions, how, deadline, state) =>
        RULES.handOver(partitions, 'revoking', how === 'lost' ? never : deadline, state),
    }),
  },
  {
    name: 'the deadline of a hand-over is not kept',
    profile: 'group',
    mutation: withRules({
      handOver: (partitions, how, _deadline, state) => RULES.handOver(partitions, how, never, state),
    }),
  },
  {
    name: 'what settles late is committed after the hand-over',
    profile: 'group',
    mutation: withRules({
      handOver: async (partitions, how, deadline, { committer, ledger }) => {
        if (how === 'revoking') await committer.drained(partitions, deadline);
        void committer.drained(partitions, never).then(() => committer.forget(partitions));
        ledger.forgetAll();
      },
    }),
  },
  {
    name: 'a partition comes back to the mark it had',
    profile: 'group',
    mutation: withRules({
      handOver: async (partitions, _how, deadline, { committer, ledger }) => {
        await committer.drained(partitions, deadline);
        ledger.forgetAll();
      },
    }),
  },
];

export const MUTANTS: readonly Mutant[] = [...WRITE, ...DECISION, ...READER, ...SWEEPER, ...SOURCE, ...HAND_OVER];
