import type { FreshetConfig } from '../config/index.ts';
import type { RowKey, TableId, DocumentId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import type { Generation } from '../domain/version.ts';
import type { PipelineLimits } from '../ingest/context.ts';
import type { EmbedQueue } from '../ingest/embed-queue.ts';
import type { Mapper } from '../ingest/map.ts';
import { createPipeline } from '../ingest/pipeline.ts';
import type { Observer } from '../observability/events.ts';
import type { Chunker } from '../ports/chunker.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Index } from '../ports/index-store.ts';
import type { Redactor } from '../ports/redactor.ts';
import type { FullSource, LiveSource, RowAccess } from '../services/live-source.ts';

/** What all pipelines of an instance share. */
export interface PipelineParts {
  readonly index: Index;
  readonly mapper: Mapper;
  readonly redactor: Redactor;
  readonly chunker: Chunker;
  readonly embedQueue: EmbedQueue;
  readonly deadLetters: DeadLetters;
  readonly generation: Generation;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly limits: Partial<PipelineLimits>;
}

export interface OpenSource extends RowAccess {
  readonly source: FullSource;
  readonly mappings: readonly TableMapping[];
  readonly documentId: (table: TableId, key: RowKey) => DocumentId;
  readonly isPostgres: boolean;
  readonly replay?: (from: string) => Promise<string>;
  /** Settings beside the mappings that make other documents of the same records. */
  readonly shapedBy?: unknown;
}

export function pipelineLimits({ limits, shutdown }: FreshetConfig): Partial<PipelineLimits> {
  return {
    inFlight: limits.inFlightDeliveries,
    queuedBytes: limits.queuedBytes,
    uncommittedSpan: limits.uncommittedSpan,
    headCacheMs: limits.headCacheAge,
    headCacheEntries: limits.headCacheEntries,
    writeDeadlineMs: limits.writeDeadline,
    drainMs: shutdown.drain,
  };
}

export function connect(open: OpenSource, parts: PipelineParts): LiveSource {
  const { source, documentId, rowLookup, recordFetch } = open;
  const mappings = new Map(open.mappings.map((mapping) => [mapping.table, mapping]));
  const pipeline = createPipeline({
    ...parts,
    source,
    ...(rowLookup === undefined ? {} : { rowLookup }),
    ...(recordFetch === undefined ? {} : { recordFetch }),
    mappings,
    documentId,
    random: Math.random,
  });
  return { ...open, pipeline, mappings };
}
