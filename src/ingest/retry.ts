import type { ChangeEvent, Delivery, Position, RowChange } from '../domain/change.ts';
import { FreshetError } from '../domain/errors.ts';
import type { RowKey, TableId } from '../domain/ids.ts';
import type { StoredDeadLetter } from '../ports/dead-letters.ts';
import type { PipelineContext } from './context.ts';
import type { OtherEvent, Outcome } from './task.ts';

export type RetryOutcome = Outcome | 'row-is-gone';

/** How a retried event takes the same way as a delivered one. */
export interface RetryWay {
  /** Puts the change into its row's lane. */
  readonly index: (change: RowChange, position: Position) => Promise<Outcome>;
  /** Everything that is not about one row. */
  readonly settle: (event: OtherEvent, position: Position) => Promise<Outcome>;
}

/**
 * Tries a dead letter again: with its row as it stands now, where rows can be looked up, otherwise with the record itself, which its log
 * still holds. Either goes in under the version it had, so that whatever was indexed since stays.
 */
export async function retryLetter(
  letter: StoredDeadLetter,
  context: PipelineContext,
  way: RetryWay,
  signal: AbortSignal,
): Promise<RetryOutcome> {
  const { table, key, version } = letter;
  if (table !== undefined && !context.mappings.has(table)) throw unmapped(letter, table);
  if (context.rowLookup !== undefined && table !== undefined && key !== undefined && version !== undefined) {
    return retryRow({ ...letter, table, key, version }, context, way, signal);
  }
  return retryRecord(letter, context, way, signal);
}

async function retryRow(
  letter: StoredDeadLetter & Pick<RowChange, 'table' | 'key' | 'version'>,
  context: PipelineContext,
  way: RetryWay,
  signal: AbortSignal,
): Promise<RetryOutcome> {
  const { table, key, version } = letter;
  const row = await context.sourceGate.run(async () => context.rowLookup?.row(table, key, signal), signal);
  let outcome: RetryOutcome = 'row-is-gone';
  if (row !== undefined) {
    const committedAt = letter.committedAt ?? context.clock.now();
    const at = letter.sourcePosition === undefined ? {} : { sourcePosition: letter.sourcePosition };
    const change: RowChange = { kind: 'row-upserted', table, key, row, version, ...at, committedAt, snapshot: false };
    outcome = await way.index(change, letter.position);
  }
  // By version: a newer change may have failed meanwhile, and its letter has the same id.
  const { source, deadLetters, documentId } = context;
  if (outcome !== 'dead-lettered') await deadLetters.resolve(source.name, documentId(table, key), version);
  return outcome;
}

async function retryRecord(
  letter: StoredDeadLetter,
  context: PipelineContext,
  way: RetryWay,
  signal: AbortSignal,
): Promise<Outcome> {
  const { event, position } = await fetched(letter, context, signal);
  const isRow = event.kind === 'row-upserted' || event.kind === 'row-deleted';
  const outcome = await (isRow ? way.index(event, position) : way.settle(event, position));
  const hasNewLetter = outcome === 'dead-lettered' && (letter.document !== undefined || !namesRow(event));
  if (!hasNewLetter) await removeLetter(letter, event, context);
  return outcome;
}

/** A letter that names no document stands for its position alone; another of the same document may have taken its place meanwhile. */
async function removeLetter(letter: StoredDeadLetter, event: ChangeEvent, context: PipelineContext): Promise<void> {
  const { source, deadLetters, documentId } = context;
  if (letter.document === undefined) return deadLetters.remove(letter.id);
  if (letter.version !== undefined && namesRow(event)) {
    return deadLetters.resolve(source.name, documentId(event.table, event.key), letter.version);
  }
  const now = await deadLetters.get(letter.id);
  if (now !== undefined && isSamePlace(now.position, letter.position)) await deadLetters.remove(letter.id);
}

async function fetched(letter: StoredDeadLetter, context: PipelineContext, signal: AbortSignal): Promise<Delivery> {
  const { recordFetch, source, sourceGate } = context;
  const { id, position, version } = letter;
  if (recordFetch === undefined) throw notRetryable(letter, context);
  // Found by the simulation: profile group-poison, seed 6793.
  if (!(await sourceGate.run(() => recordFetch.isCommitted(position, signal), signal))) throw tooEarly(letter);
  const delivery = await sourceGate.run(() => recordFetch.record(position, signal), signal);
  const known = delivery !== undefined && 'version' in delivery.event ? delivery.event.version : undefined;
  // Another version at the same place: the log was made anew, and this is another record.
  if (delivery !== undefined && (version === undefined || known === undefined || known === version)) return delivery;
  throw new FreshetError(
    'DEAD_LETTER_RECORD_GONE',
    'poison',
    `Source "${source.name}" no longer holds the record of dead letter ${id}: its log was cut off, compacted or made anew. ` +
      `Have the rows of its table read again, with "freshet replay ${source.name}" or an incremental snapshot.`,
    { details: { id, partition: position.partition, offset: String(position.offset) } },
  );
}

function tooEarly({ id, position }: StoredDeadLetter): FreshetError {
  return new FreshetError(
    'DEAD_LETTER_TOO_EARLY',
    'poison',
    `Dead letter ${id} cannot be retried yet: changes before it are still being processed. Try again once its partition is committed.`,
    { details: { id, partition: position.partition, offset: String(position.offset) } },
  );
}

function notRetryable({ id, key }: StoredDeadLetter, { source, rowLookup }: PipelineContext): FreshetError {
  const why =
    rowLookup === undefined
      ? `source "${source.name}" can neither look up its row nor read its record again`
      : `it has no ${key === undefined ? 'row key' : 'version'} to read its row again by`;
  return new FreshetError(
    'DEAD_LETTER_NOT_RETRYABLE',
    'poison',
    `Dead letter ${id} cannot be retried: ${why}. Read the source again instead: "freshet replay ${source.name}".`,
    { details: { id } },
  );
}

function unmapped({ id }: StoredDeadLetter, table: TableId): FreshetError {
  return new FreshetError(
    'DEAD_LETTER_UNMAPPED',
    'poison',
    `Dead letter ${id} is of table ${table}, which is not mapped any more. Map the table again, or leave the letter.`,
    { details: { id, table } },
  );
}

function namesRow(event: ChangeEvent): event is ChangeEvent & { readonly table: TableId; readonly key: RowKey } {
  return 'key' in event && event.key !== undefined && event.table !== undefined;
}

const isSamePlace = (a: Position, b: Position): boolean => a.partition === b.partition && a.offset === b.offset;
