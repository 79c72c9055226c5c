import type { DocumentId, RowKey, TableId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import type { Generation } from '../domain/version.ts';
import type { Observer } from '../observability/events.ts';
import type { Chunker } from '../ports/chunker.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Index } from '../ports/index-store.ts';
import type { RecordFetch } from '../ports/record-fetch.ts';
import type { Redactor } from '../ports/redactor.ts';
import type { RowLookup } from '../ports/rows.ts';
import type { Source } from '../ports/source.ts';
import type { OutageGate } from '../runtime/outage-gate.ts';
import type { EmbedQueue } from './embed-queue.ts';
import type { HeadLedger } from './head-ledger.ts';
import type { Mapper } from './map.ts';
import type { Rules } from './rules.ts';

export interface PipelineLimits {
  /** Deliveries read and not yet settled. */
  readonly inFlight: number;
  /** Bytes of deliveries read and not yet settled. */
  readonly queuedBytes: number;
  /** Deliveries from the oldest unsettled one on, in any partition: what a restart reads again at most. */
  readonly uncommittedSpan: number;
  readonly headCacheMs: number;
  readonly headCacheEntries: number;
  readonly writeDeadlineMs: number;
  /** After a stop: how long work in flight may take to finish. */
  readonly drainMs: number;
}

export const DEFAULT_LIMITS: PipelineLimits = {
  inFlight: 1_000,
  queuedBytes: 64 * 1024 * 1024,
  uncommittedSpan: 20_000,
  headCacheMs: 60_000,
  headCacheEntries: 10_000,
  writeDeadlineMs: 30_000,
  drainMs: 5_000,
};

export interface PipelineDeps {
  readonly source: Source;
  readonly index: Index;
  readonly mapper: Mapper;
  readonly redactor: Redactor;
  readonly chunker: Chunker;
  readonly embedQueue: EmbedQueue;
  readonly deadLetters: DeadLetters;
  /** For values the source left out, and to retry a dead letter with its row as it is now. */
  readonly rowLookup?: RowLookup;
  /** To retry a dead letter from its log, where rows cannot be looked up. */
  readonly recordFetch?: RecordFetch;
  readonly mappings: ReadonlyMap<TableId, TableMapping>;
  readonly documentId: (table: TableId, key: RowKey) => DocumentId;
  readonly generation: Generation;
  readonly clock: Clock;
  readonly observer: Observer;
  /** In [0, 1). */
  readonly random: () => number;
  readonly limits?: Partial<PipelineLimits>;
  readonly rules?: Rules;
}

/** What the stages of one running pipeline share. */
export interface PipelineContext extends PipelineDeps {
  readonly rules: Rules;
  readonly ledger: HeadLedger;
  readonly indexGate: OutageGate;
  readonly sourceGate: OutageGate;
}
