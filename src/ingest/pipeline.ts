import { setMaxListeners } from 'node:events';
import type { Delivery, RowChange, SnapshotFinished } from '../domain/change.ts';
import { FreshetError, kindOf, throwIfAborted } from '../domain/errors.ts';
import type { PartitionId } from '../domain/ids.ts';
import { EPOCH_START } from '../domain/source-position.ts';
import type { Version } from '../domain/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { StoredDeadLetter } from '../ports/dead-letters.ts';
import { Budget } from '../runtime/budget.ts';
import { KeyedLanes } from '../runtime/keyed-lanes.ts';
import { OutageGate } from '../runtime/outage-gate.ts';
import { SpanLimit } from '../runtime/span-limit.ts';
import { createCommitter, type Committer, type Tracked } from './commit.ts';
import { DEFAULT_LIMITS, type PipelineContext, type PipelineDeps } from './context.ts';
import { deadLetter, type FailedRecord, type Stage } from './dead-letter.ts';
import { createHeadLedger } from './head-ledger.ts';
import { RULES } from './rules.ts';
import { indexChange } from './sentence.ts';
import { mergeTasks, type Outcome, type Task } from './task.ts';

export interface Pipeline {
  /** Runs until the signal fires (then drains and commits) or a fatal error, with which it rejects. Call it once. */
  run(signal: AbortSignal): Promise<void>;
  /** Puts a dead letter's row, read again by its key, back into its lane. Resolves with what became of it. */
  retry(letter: StoredDeadLetter): Promise<Outcome | 'row-is-gone'>;
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
    for (const share of task.shares) {
      committer.settle(share.tracked);
      budget.give(share.bytes);
    }
    span.released();
    observer.emit({ type: 'change-settled', source: source.name, outcome, snapshot });
    for (let n = 0; n < task.superseded; n += 1) {
      observer.emit({ type: 'change-settled', source: source.name, outcome: 'superseded', snapshot: false });
    }
    return outcome;
  };

  const toDeadLetters = async (record: FailedRecord, stage: Stage, error: unknown): Promise<void> => {
    const letter = deadLetter(record, stage, error, clock.now());
    await context.indexGate.run(() => deps.deadLetters.put(letter), work.signal);
    const { table, document, code, attempts } = letter;
    observer.emit({ type: 'dead-lettered', source: source.name, table, document, stage, code, attempts });
  };

  /** Events that are not about one row. They settle by themselves and block no lane. */
  const settleWholeTable = async (delivery: Delivery, tracked: Tracked): Promise<void> => {
    const { event } = delivery;
    if (event.kind === 'table-truncated') {
      const { table, epoch, sourcePosition } = event;
      await indexGate.run(() => index.truncate(table, { epoch, sourcePosition }, work.signal), work.signal);
    } else if (event.kind === 'snapshot-finished') {
      // Rows of the snapshot that still wait in their lanes would be hidden with those it did not find.
      await committer.turnOf(tracked);
      await hideOlderEpochs(event);
    } else if (event.kind === 'undecodable') {
      const { table, key, error, version, sourcePosition, committedAt } = event;
      const document = table === undefined || key === undefined ? undefined : deps.documentId(table, key);
      const rest = { version, sourcePosition, committedAt };
      await toDeadLetters(
        { source: source.name, position: delivery.position, table, key, document, ...rest },
        'decode',
        error,
      );
    }
    committer.settle(tracked);
    budget.give(delivery.bytes);
    span.released();
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
    void settleWholeTable(delivery, tracked).catch(stop);
  };

  const readAll = async (reading: AbortSignal): Promise<void> => {
    for await (const delivery of source.read(reading)) {
      dispatch(delivery);
      await budget.take(delivery.bytes, reading);
      await span.wait(reading);
    }
  };

  return {
    async run(signal) {
      try {
        await readAll(AbortSignal.any([signal, work.signal]));
      } catch (error) {
        if (kindOf(error) !== 'aborted') stop(error);
      }
      if (failure === undefined) await drain(lanes, committer, clock, limits.drainMs);
      work.abort(failure);
      if (failure !== undefined && kindOf(failure) !== 'aborted') throw asError(failure);
    },
    async retry(letter) {
      const { rowLookup } = deps;
      const { table, key, version } = letter;
      if (rowLookup === undefined || table === undefined || key === undefined || version === undefined) {
        throw new FreshetError(
          'DEAD_LETTER_NOT_RETRYABLE',
          'poison',
          `Dead letter ${letter.id} has no row key to read its row again by. Replay its source instead: "freshet replay".`,
          { details: { id: letter.id } },
        );
      }
      // By version: a newer change may have failed meanwhile, and its letter has the same id.
      const done = (): Promise<void> => deps.deadLetters.resolve(source.name, deps.documentId(table, key), version);
      const row = await context.sourceGate.run(() => rowLookup.row(table, key, work.signal), work.signal);
      if (row === undefined) {
        await done();
        return 'row-is-gone';
      }
      const committedAt = letter.committedAt ?? clock.now();
      const at = letter.sourcePosition === undefined ? {} : { sourcePosition: letter.sourcePosition };
      const change: RowChange = { kind: 'row-upserted', table, key, row, version, ...at, committedAt, snapshot: false };
      const outcome = await new Promise<Outcome>((resolve, reject) => {
        // A lane that failed tells nobody: only the signal does.
        throwIfAborted(work.signal);
        const onAbort = (): void => reject(asError(work.signal.reason));
        work.signal.addEventListener('abort', onAbort, { once: true });
        lanes.push(laneKey(change), {
          change,
          position: letter.position,
          receivedAt: clock.now(),
          shares: [],
          superseded: 0,
          onOutcome: (reached) => {
            work.signal.removeEventListener('abort', onAbort);
            resolve(reached);
          },
        });
      });
      if (outcome !== 'dead-lettered') await done();
      return outcome;
    },
    committedVersions: () => committer.committedVersions(),
    forgetHeads: () => context.ledger.forgetAll(),
    get inFlight() {
      return budget.count;
    },
  };
}

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
