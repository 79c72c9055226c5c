import type { Delivery, SnapshotFinished } from '../domain/change.ts';
import type { Head } from '../domain/document.ts';
import { kindOf } from '../domain/errors.ts';
import { rowKey, type DocumentId } from '../domain/ids.ts';
import { snapshotVersion, type Version } from '../domain/version.ts';
import type { DocumentWrite } from '../ports/index-store.ts';
import type { PipelineContext } from './context.ts';
import { tombstoneWrite } from './upsert.ts';

const LETTERS_PER_PAGE = 500;

/**
 * What a finished snapshot did not find again no longer exists: its heads, still in an older epoch, become tombstones. Rows it found and
 * that could not be indexed keep their last version, or their retry would find a tombstone of its own version and be nothing to do.
 */
export async function retireOlderEpochs(
  { table, epoch }: SnapshotFinished,
  delivery: Delivery,
  context: PipelineContext,
  signal: AbortSignal,
): Promise<void> {
  const version = snapshotVersion(epoch);
  const { index, source } = context;
  const retire = async (): Promise<void> => {
    const failed = await documentsWithLetters(context, version);
    for await (const head of index.scanHeads({ table, belowVersion: version }, signal)) {
      if (head.deleted || head.source !== source.name || failed.has(head.id)) continue;
      await index.apply(retirement(head, version, delivery, context), signal);
      context.ledger.forget(head.id);
    }
  };
  for (let done = false; !done; ) {
    try {
      // One operation for the gate: what is retired already is skipped when it starts again after an outage.
      await context.indexGate.run(retire, signal);
      done = true;
    } catch (error) {
      if (kindOf(error) !== 'stale') throw error;
    }
  }
}

/** Documents whose newest failure is of this epoch: their rows exist. */
async function documentsWithLetters(context: PipelineContext, version: Version): Promise<ReadonlySet<DocumentId>> {
  const documents = new Set<DocumentId>();
  for (let after: string | undefined, more = true; more; ) {
    const page = await context.deadLetters.list({ limit: LETTERS_PER_PAGE, ...(after === undefined ? {} : { after }) });
    for (const letter of page) {
      if (letter.document !== undefined && (letter.version ?? version) >= version) documents.add(letter.document);
    }
    after = page.at(-1)?.id;
    more = page.length === LETTERS_PER_PAGE;
  }
  return documents;
}

function retirement(head: Head, version: Version, delivery: Delivery, context: PipelineContext): DocumentWrite {
  const committedAt = context.clock.now();
  const base = {
    id: head.id,
    source: context.source.name,
    partition: delivery.position.partition,
    change: { kind: 'row-deleted', table: head.table, key: rowKey([]), version, committedAt } as const,
    generation: context.generation,
    lineage: { sourcePosition: undefined, committedAt },
    receivedAt: delivery.receivedAt,
    indexedAt: committedAt,
  };
  return tombstoneWrite(base, head);
}
