import type { DocumentId, PartitionId, TableId, TenantId } from '../domain/ids.ts';
import type { Instant } from '../domain/time.ts';
import type { Version } from '../domain/version.ts';

/** When a change passed each stage. All on the wall clock of this process but `committed`, which is the source's. */
export interface StageTimes {
  readonly committed: Instant;
  readonly received: Instant;
  readonly redacted?: Instant;
  readonly embedded?: Instant;
  readonly visible?: Instant;
}

/**
 * What happens inside, said once: each event becomes a log line, a metric and (where people watch) a line on the page.
 * Ids, numbers and codes only; labels come from bounded sets; never text of a document, row or query (invariant 6).
 */
export type FreshetEvent =
  | {
      readonly type: 'document-received' | 'document-redacted' | 'document-embedded';
      readonly source: string;
      readonly table: TableId;
      readonly document: DocumentId;
      readonly tenant: TenantId | undefined;
      readonly version: Version;
      readonly times: StageTimes;
      readonly snapshot: boolean;
    }
  | {
      readonly type: 'document-visible' | 'document-deleted';
      readonly source: string;
      readonly table: TableId;
      readonly document: DocumentId;
      readonly tenant: TenantId;
      readonly version: Version;
      readonly times: StageTimes;
      readonly snapshot: boolean;
      readonly chunksTotal: number;
      readonly chunksEmbedded: number;
      readonly tokensEmbedded: number;
    }
  | {
      readonly type: 'change-settled';
      readonly source: string;
      readonly outcome: 'indexed' | 'deleted' | 'superseded' | 'nothing-to-do' | 'dead-lettered';
      readonly snapshot: boolean;
    }
  | {
      readonly type: 'dead-lettered';
      readonly source: string;
      readonly table: TableId | undefined;
      readonly document: DocumentId | undefined;
      readonly stage: string;
      readonly code: string;
      readonly attempts: number;
    }
  | {
      readonly type: 'retry';
      readonly what: string;
      readonly code: string;
      readonly attempt: number;
      readonly delayMs: number;
    }
  | {
      readonly type: 'outage-began' | 'outage-ended';
      readonly what: string;
      readonly code: string;
      readonly forMs: number;
    }
  | {
      readonly type: 'embed-batch';
      readonly texts: number;
      readonly tokens: number;
      readonly ms: number;
      readonly queued: number;
    }
  | { readonly type: 'committed'; readonly source: string; readonly partition: PartitionId; readonly offset: bigint }
  | {
      readonly type: 'source';
      readonly source: string;
      readonly level: 'info' | 'warn' | 'error';
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly type: 'snapshot-progress';
      readonly source: string;
      readonly table: TableId;
      readonly rows: number;
      readonly finished: boolean;
    }
  | {
      readonly type: 'search';
      readonly mode: string;
      readonly hits: number;
      readonly ms: number;
      readonly degraded: boolean;
    }
  | { readonly type: 'swept'; readonly heads: number; readonly chunks: number };

export interface Observer {
  emit(event: FreshetEvent): void;
}

export const silentObserver: Observer = { emit: () => undefined };
