import type { RowChange, RowUpserted } from '../domain/change.ts';
import type { Document, Head } from '../domain/document.ts';
import { FreshetError, kindOf } from '../domain/errors.ts';
import type { ChunkId, DocumentId, TenantId } from '../domain/ids.ts';
import type { Version } from '../domain/version.ts';
import type { StageTimes } from '../observability/events.ts';
import type { DocumentWrite } from '../ports/index-store.ts';
import { mappingColumns, unresolvedColumns } from './columns.ts';
import type { Stage } from './dead-letter.ts';
import type { KnownSituation } from './head-ledger.ts';
import type { PipelineContext } from './context.ts';
import type { Outcome, Task } from './task.ts';
import { tombstoneWrite, upsertWrite, versionOnlyWrite, type HeadBase } from './upsert.ts';

const STALE_ROUNDS_MAX = 3;

/** What a document cost, for the event that says it is visible. */
interface Cost {
  readonly chunksEmbedded: number;
  readonly tokensEmbedded: number;
}

/**
 * One change through map → redact → chunk → diff → embed → upsert. It decides by what the index says now, and decides again when that has
 * become too old to trust by the time the write could begin.
 */
export async function indexChange(
  task: Task,
  context: PipelineContext,
  at: (stage: Stage) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const { change } = task;
  const id = context.documentId(change.table, change.key);
  /** Vectors survive a second decision: the same chunk id means the same vector. */
  const vectors = new Map<ChunkId, Float32Array>();
  for (let round = 1; ; round += 1) {
    at('upsert');
    const situation = await context.ledger.read(id, change.table, task.position.partition, signal);
    // An index that keeps calling the write stale lost chunks its head still lists: insert them all instead of keeping any.
    const keepFrom = round > STALE_ROUNDS_MAX ? undefined : situation.head;
    const decision = context.rules.decide(change, situation, context.generation);
    if (decision.action === 'nothing') {
      // The last process may have stopped between the write of this version and here.
      if (situation.head !== undefined) await resolveLetter(id, situation.head.version, context, signal);
      return 'nothing-to-do';
    }

    const times = trace(context, task, id);
    const base = (): HeadBase => ({
      id,
      source: context.source.name,
      partition: task.position.partition,
      change,
      generation: context.generation,
      lineage: decision.lineage,
      receivedAt: task.receivedAt,
      indexedAt: context.clock.now(),
    });

    at('map');
    const document =
      decision.action === 'upsert' && change.kind === 'row-upserted'
        ? await map(change, id, context, signal)
        : undefined;
    if (document === 'row-is-gone') return 'nothing-to-do';

    const { write, cost } =
      document === undefined
        ? { write: tombstoneWrite(base(), situation.head), cost: { chunksEmbedded: 0, tokensEmbedded: 0 } }
        : await prepare(document, { task, keepFrom, base, vectors, times, context, at, signal });

    at('upsert');
    if (!(await apply(write, situation, context, signal))) continue;
    context.ledger.remember(write.head, situation.readAt);
    await resolveLetter(id, change.version, context, signal);
    const existed = situation.head !== undefined && !situation.head.deleted;
    if (!write.head.deleted || existed) times.visible(write, cost);
    return write.head.deleted ? 'deleted' : 'indexed';
  }
}

/** What is indexed at a version voids the dead letters at or below it. */
function resolveLetter(id: DocumentId, version: Version, context: PipelineContext, signal: AbortSignal): Promise<void> {
  return context.indexGate.run(() => context.deadLetters.resolve(context.source.name, id, version), signal);
}

/** The row as a document; undefined when its table's filter rejects it. Values the source left out are looked up, never indexed. */
async function map(
  change: RowUpserted,
  id: DocumentId,
  context: PipelineContext,
  signal: AbortSignal,
): Promise<Document | undefined | 'row-is-gone'> {
  const mapping = context.mappings.get(change.table);
  if (mapping === undefined) {
    throw new FreshetError(
      'TABLE_UNMAPPED',
      'fatal',
      `Source ${context.source.name} delivered table ${change.table}, which no mapping names.`,
    );
  }
  const missing = unresolvedColumns(change.row, mappingColumns(mapping));
  if (missing.length === 0) return context.mapper.map(change.row, id, change.key, mapping);
  const { rowLookup } = context;
  if (rowLookup === undefined) {
    throw new FreshetError(
      'TOAST_VALUE_UNAVAILABLE',
      'poison',
      `A change of table ${change.table} came without its unchanged large columns (${missing.join(', ')}) and the source cannot look ` +
        `rows up. Set REPLICA IDENTITY FULL on the table, or give the source a connection for look-ups.`,
      { details: { table: change.table } },
    );
  }
  const current = await context.sourceGate.run(() => rowLookup.row(change.table, change.key, signal), signal);
  // Deleted since: its delete is on the way under a higher version.
  if (current === undefined) return 'row-is-gone';
  // The whole row as it is now, not its missing columns only: text of now under a tenant of then would show one tenant another's text.
  return context.mapper.map(current, id, change.key, mapping);
}

interface Preparation {
  readonly task: Task;
  /** The head whose chunks may be kept. */
  readonly keepFrom: Head | undefined;
  readonly base: () => HeadBase;
  readonly vectors: Map<ChunkId, Float32Array>;
  readonly times: Trace;
  readonly context: PipelineContext;
  readonly at: (stage: Stage) => void;
  readonly signal: AbortSignal;
}

/** redact → chunk → diff → embed: only text the previous version did not have is embedded (invariant 5). */
async function prepare(
  document: Document,
  { task, keepFrom: head, base, vectors, times, context, at, signal }: Preparation,
): Promise<{ write: DocumentWrite; cost: Cost }> {
  const rowHash = context.mapper.rowHash(document);
  if (head !== undefined && !head.deleted && head.rowHash === rowHash && head.generation === context.generation) {
    return { write: versionOnlyWrite(base(), head), cost: { chunksEmbedded: 0, tokensEmbedded: 0 } };
  }
  at('redact');
  const redacted = context.redactor.redact(document);
  times.redacted(redacted.attributes.tenant);

  at('chunk');
  const chunks = context.chunker.split(redacted);
  const diff = context.rules.diffChunks(document.id, context.embedQueue.fingerprint, chunks, head);

  at('embed');
  const missing = diff.fresh.filter((chunk) => !vectors.has(chunk.id));
  const embedClass = 'snapshot' in task.change && task.change.snapshot ? 'backfill' : 'live';
  const embedded = await context.embedQueue.embedDocument(missing, embedClass, signal);
  for (const [index, chunk] of missing.entries()) vectors.set(chunk.id, embedded[index] as Float32Array);
  times.embedded(redacted.attributes.tenant);

  const write = upsertWrite(
    base(),
    redacted.attributes,
    rowHash,
    diff,
    diff.fresh.map((chunk) => vectors.get(chunk.id) as Float32Array),
  );
  const tokensEmbedded = missing.reduce((sum, chunk) => sum + chunk.tokens, 0);
  return { write, cost: { chunksEmbedded: missing.length, tokensEmbedded } };
}

/** False when the decision became too old, or the index says it was stale: read and decide again. */
async function apply(
  write: DocumentWrite,
  situation: KnownSituation,
  context: PipelineContext,
  signal: AbortSignal,
): Promise<boolean> {
  let inTime = true;
  try {
    await context.indexGate.run(async () => {
      inTime = !context.ledger.tooOld(situation.readAt);
      if (inTime) await context.index.apply(write, signal);
    }, signal);
  } catch (error) {
    context.ledger.forget(write.head.id);
    if (kindOf(error) === 'stale') return false;
    throw error;
  }
  if (!inTime) context.ledger.forget(write.head.id);
  return inTime;
}

interface Trace {
  redacted(tenant: TenantId): void;
  embedded(tenant: TenantId): void;
  visible(write: DocumentWrite, cost: Cost): void;
}

/** Notes when a change passed each stage, and says so. */
function trace(context: PipelineContext, task: Task, document: DocumentId): Trace {
  const { change } = task;
  const snapshot = isSnapshot(change);
  let times: StageTimes = { committed: change.committedAt, received: task.receivedAt };
  const say = (
    type: 'document-received' | 'document-redacted' | 'document-embedded',
    tenant: TenantId | undefined,
  ): void =>
    context.observer.emit({
      type,
      source: context.source.name,
      table: change.table,
      document,
      tenant,
      version: change.version,
      times,
      snapshot,
    });
  say('document-received', undefined);
  return {
    redacted(tenant) {
      times = { ...times, redacted: context.clock.now() };
      say('document-redacted', tenant);
    },
    embedded(tenant) {
      times = { ...times, embedded: context.clock.now() };
      say('document-embedded', tenant);
    },
    visible(write, cost) {
      times = { ...times, visible: context.clock.now() };
      context.observer.emit({
        type: write.head.deleted ? 'document-deleted' : 'document-visible',
        source: context.source.name,
        table: change.table,
        document,
        tenant: write.head.attributes.tenant,
        version: change.version,
        times,
        snapshot,
        chunksTotal: write.head.chunks.length,
        ...cost,
      });
    },
  };
}

function isSnapshot(change: RowChange): boolean {
  return change.kind === 'row-upserted' && change.snapshot;
}
