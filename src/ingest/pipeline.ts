import { setMaxListeners } from 'node:events';
import type { Delivery, Position, RowChange, SnapshotFinished } from '../domain/change.ts';
import { FreshetError, kindOf, throwIfAborted } from '../domain/errors.ts';
import type { PartitionId } from '../domain/ids.ts';
import { EPOCH_START } from '../domain/source-position.ts';
import type { Version } from '../domain/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { StoredDeadLetter } from '../ports/dead-letters.ts';
import type { RevokedListener } from '../ports/source.ts';
import { Budget } from '../runtime/budget.ts';
import { KeyedLanes } from '../runtime/keyed-lanes.ts';
import { OutageGate } from '../runtime/outage-gate.ts';
import { SpanLimit } from '../runtime/span-limit.ts';
import { createCommitter, type Committer, type Tracked } from './commit.ts';
import { DEFAULT_LIMITS, type PipelineContext, type PipelineDeps } from './context.ts';
import { deadLetter, type FailedRecord, type Stage } from './dead-letter.ts';
import { createHeadLedger } from './head-ledger.ts';
import { retryLetter, type RetryOutcome } from './retry.ts';
import { RULES } from './rules.ts';
import { indexChange } from './sentence.ts';
import { mergeTasks, type OtherEvent, type Outcome, type Share, type Task } from './task.ts';

export interface Pipeline {
  /** Runs until the signal fires (then drains and commits) or a fatal error, with which it rejects. Call it once. */
  run(signal: AbortSignal): Promise<void>;
  /** Tries a dead letter again (see retry.ts). Resolves with what became of it. */
  retry(letter: StoredDeadLetter): Promise<RetryOutcome>;
  /** Highest version at or below each partition's committed mark, for the sweeper. */
  committedVersions(): ReadonlyMap<PartitionId, Version>;
  /** After something else than this pipeline wrote the index (a repair, a rebuild). */
  forgetHeads(): void;
  readonly inFlight: number;
}

/** source → decode → map → redact → chunk → diff → embed → upsert → commit */
export function createPipeline(deps: PipelineDeps): Pipeline {
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const { source, index, clock, observer } = deps;
  const work = new AbortController();
  // Every waiting lane listens to it, and the budget bounds the lanes.
  setMaxListeners(0, work.signal);
  const gate = (what: string): OutageGate => new OutageGate(what, { clock, observer, random: deps.random });
  const indexGate = gate('index');
  const context: PipelineContext = {
    ...deps,
    rules: deps.rules ?? RULES,
    indexGate,
    sourceGate: gate('source'),
    ledger: createHeadLedger(index, indexGate, clock, {
      cacheMs: limits.headCacheMs,
      cacheEntries: limits.headCacheEntries,
      writeDeadlineMs: limits.writeDeadlineMs,
    }),
  };
  let failure: unknown;
  const stop = (error: unknown): void => {
    failure ??= error;
    work.abort(error);
  };
  const budget = new Budget({ count: limits.inFlight, bytes: limits.queuedBytes });
  const committer = createCommitter({
    source,
    observer,
    gate: context.sourceGate,
    signal: work.signal,
    onFailure: stop,
  });
  const span = new SpanLimit(() => committer.span, limits.uncommittedSpan);

  const lanes = new KeyedLanes<Task>({
    handle: async (task) => {
      // Its partitions are another's now, who reads it again.
      if (task.shares.length > 0 && task.shares.every(({ tracked }) => committer.isForgotten(tracked))) {
        return settleShares(task.shares);
      }
      const outcome = await settleTask(task);
      task.onOutcome?.(outcome);
    },
    coalesce: (waiting, incoming) => {
      const merged = mergeTasks(waiting, incoming, context.rules);
      return merged === undefined ? { action: 'append' } : { action: 'replace', item: merged };
    },
    onFailure: stop,
  });

  /** Indexes a change or dead-letters it; then, and only then, every delivery merged into it is settled (invariant 1). */
  const settleTask = async (task: Task): Promise<Outcome> => {
    const { change } = task;
    let stage: Stage = 'map';
    let outcome: Outcome;
    try {
      outcome = await indexChange(task, context, (next) => (stage = next), work.signal);
    } catch (error) {
      if (kindOf(error) !== 'poison') throw error;
      const document = deps.documentId(change.table, change.key);
      await toDeadLetters(
        { ...coordinatesOf(change), source: source.name, position: task.position, document },
        stage,
        error,
      );
      outcome = 'dead-lettered';
    }
    const snapshot = change.kind === 'row-upserted' && change.snapshot;
    settleShares(task.shares);
    observer.emit({ type: 'change-settled', source: source.name, outcome, snapshot });
    for (let n = 0; n < task.superseded; n += 1) {
      observer.emit({ type: 'change-settled', source: source.name, outcome: 'superseded', snapshot: false });
    }
    return outcome;
  };

  const settleShares = (shares: readonly Share[]): void => {
    for (const { tracked, bytes } of shares) {
      committer.settle(tracked);
      budget.give(bytes);
    }
    span.released();
  };

  const toDeadLetters = async (record: FailedRecord, stage: Stage, error: unknown): Promise<void> => {
    const letter = deadLetter(record, stage, error, clock.now());
    await context.indexGate.run(() => deps.deadLetters.put(letter), work.signal);
    const { table, document, code, attempts } = letter;
    observer.emit({ type: 'dead-lettered', source: source.name, table, document, stage, code, attempts });
  };

  /** Events that are not about one row. They settle by themselves and block no lane. */
  const settleOther = async (event: OtherEvent, { position, bytes }: Delivery, tracked: Tracked): Promise<void> => {
    if (event.kind === 'snapshot-finished') {
      // Rows of the snapshot that still wait in their lanes would be hidden with those it did not find.
      if (await committer.turnOf(tracked)) await hideOlderEpochs(event);
    } else await carryOut(event, position);
    settleShares([{ tracked, bytes }]);
  };

  const carryOut = async (event: OtherEvent, position: Position): Promise<Outcome> => {
    if (event.kind === 'table-truncated') {
      const { table, epoch, sourcePosition } = event;
      await indexGate.run(() => index.truncate(table, { epoch, sourcePosition }, work.signal), work.signal);
      return 'deleted';
    }
    if (event.kind !== 'undecodable') return 'nothing-to-do';
    const { table, key, error, version, sourcePosition, committedAt } = event;
    const document = table === undefined || key === undefined ? undefined : deps.documentId(table, key);
    const coordinates = { table, key, version, sourcePosition, committedAt };
    await toDeadLetters({ source: source.name, position, document, ...coordinates }, 'decode', error);
    return 'dead-lettered';
  };

  /**
   * What a finished snapshot did not find again no longer exists. Kept as a truncation, so that it also holds against a zombie that still
   * writes changes of the older epoch: tombstones written once would not know its documents (simulation, profile postgres, seed 212).
   */
  const hideOlderEpochs = async ({ table, epoch }: SnapshotFinished): Promise<void> => {
    if (epoch === 0) return;
    const truncation = { epoch, sourcePosition: EPOCH_START };
    await indexGate.run(() => index.truncate(table, truncation, work.signal), work.signal);
  };

  const dispatch = (delivery: Delivery): void => {
    const { event, position, receivedAt, bytes } = delivery;
    const tracked = committer.track(delivery);
    if (event.kind === 'row-upserted' || event.kind === 'row-deleted') {
      lanes.push(laneKey(event), { change: event, position, receivedAt, shares: [{ tracked, bytes }], superseded: 0 });
      return;
    }
    void settleOther(event, delivery, tracked).catch(stop);
  };

  /** Puts a change that belongs to no delivery into its lane. */
  const indexAgain = (change: RowChange, position: Position): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      // A lane that failed tells nobody: only the signal does.
      throwIfAborted(work.signal);
      const onAbort = (): void => reject(asError(work.signal.reason));
      work.signal.addEventListener('abort', onAbort, { once: true });
      const onOutcome = (reached: Outcome): void => {
        work.signal.removeEventListener('abort', onAbort);
        resolve(reached);
      };
      const task = { change, position, receivedAt: clock.now(), shares: [], superseded: 0, onOutcome };
      lanes.push(laneKey(change), task);
    });

  const onRevoked: RevokedListener = async (partitions, how, deadline) => {
    await context.rules.handOver(partitions, how, deadline, { committer, ledger: context.ledger });
    span.released();
  };

  const readAll = async (reading: AbortSignal): Promise<void> => {
    let turnAt = clock.monotonic();
    for await (const delivery of source.read(reading)) {
      dispatch(delivery);
      await budget.take(delivery.bytes, reading);
      await span.wait(reading);
      if (clock.monotonic() - turnAt > TURN_MS) {
        await eventLoopTurn();
        turnAt = clock.monotonic();
      }
    }
  };

  return {
    async run(signal) {
      source.onRevoked(onRevoked);
      try {
        await readAll(AbortSignal.any([signal, work.signal]));
      } catch (error) {
        if (kindOf(error) !== 'aborted') stop(error);
      }
      if (failure === undefined) await drain(lanes, committer, clock, limits.drainMs);
      work.abort(failure);
      if (failure !== undefined && kindOf(failure) !== 'aborted') throw asError(failure);
    },
    retry: (letter) => retryLetter(letter, context, { index: indexAgain, settle: carryOut }, work.signal),
    committedVersions: () => committer.committedVersions(),
    forgetHeads: () => context.ledger.forgetAll(),
    get inFlight() {
      return budget.count;
    },
  };
}

/** Where nothing has to be waited for, changes come faster than timers, heartbeats and queries get a turn; so often they get one all the same. */
const TURN_MS = 10;
const eventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Order is kept per row. The key's own partition is not part of it: a snapshot's row and a streamed change of it share a lane. */
const laneKey = (change: RowChange): string => `${change.table}\u0000${change.key}`;

function coordinatesOf(change: RowChange): Omit<FailedRecord, 'source' | 'position' | 'document'> {
  const { table, key, version, sourcePosition, committedAt } = change;
  return { table, key, version, sourcePosition, committedAt };
}

function asError(value: unknown): Error {
  return value instanceof Error
    ? value
    : new FreshetError('ABORTED', 'aborted', 'The pipeline was stopped.', { cause: value });
}

/** Orderly shutdown: let what is in flight finish, commit it, and give up at the deadline. Nothing is settled that is not durable. */
async function drain(lanes: KeyedLanes<Task>, committer: Committer, clock: Clock, drainMs: number): Promise<void> {
  const done = new AbortController();
  const finished = lanes.idle().then(() => committer.flush());
  const deadline = clock.sleep(drainMs, done.signal).catch(() => undefined);
  await Promise.race([finished, deadline]);
  done.abort();
}
