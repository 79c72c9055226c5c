import type { DocumentId, TenantId } from '../domain/ids.ts';
import { pushedDocumentId } from '../domain/ids.ts';
import { isTruncated } from '../domain/visibility.ts';
import type { ChangeFeed, TrackedChange } from '../observability/change-feed.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Index } from '../ports/index-store.ts';
import type { DocumentService, DocumentStatus } from './services.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Writing goes to the pushed-documents source; reading to the index, with what this process saw happen. */
export function createDocumentService(deps: {
  readonly index: Index;
  readonly feed: ChangeFeed;
  readonly deadLetters: DeadLetters;
  readonly put: DocumentService['put'];
  readonly delete: DocumentService['delete'];
}): DocumentService {
  const { index, feed, deadLetters } = deps;

  return {
    put: deps.put,
    delete: deps.delete,

    async get(id, tenant, signal) {
      const stored = await firstOf(candidates(id, tenant), (document) => index.document(document, tenant, signal));
      if (stored === undefined || stored.head.deleted) return undefined;
      const { head, chunks } = stored;
      const { source, table, attributes, version, committedAt, indexedAt } = head;
      return {
        id: head.id,
        source,
        table,
        attributes,
        version,
        committedAt,
        indexedAt,
        chunks: chunks.map(({ id: chunk, text, start, end, headings }) => ({ id: chunk, text, start, end, headings })),
      };
    },

    async status(id, tenant, signal) {
      const [first, ...others] = candidates(id, tenant);
      const known = await firstOf([first, ...others], async (document) => {
        const status = await statusOf(document, tenant, signal);
        return status.state === 'unknown' ? undefined : status;
      });
      return known ?? { id: first, state: 'unknown', version: undefined, times: {}, freshnessMs: undefined };
    },
  };

  async function statusOf(document: DocumentId, tenant: TenantId, signal: AbortSignal): Promise<DocumentStatus> {
    const tracked = feed.lastChange(document, tenant);
    const head = (await index.heads([document], signal)).get(document);
    const mine = head?.attributes.tenant === tenant ? head : undefined;
    const truncation = mine === undefined ? undefined : (await index.truncations(signal)).get(mine.table);
    // Readers hide what a TRUNCATE covers at once; no change of the document itself says so.
    const truncated = mine !== undefined && isTruncated(mine, truncation);
    if (truncated && (tracked === undefined || tracked.version <= mine.version)) {
      return { id: document, state: 'deleted', version: mine.version, times: {}, freshnessMs: undefined };
    }
    if (tracked !== undefined && (mine === undefined || tracked.version >= mine.version)) {
      return fromFeed(document, tracked, await failureOf(tracked, document));
    }
    if (mine === undefined)
      return { id: document, state: 'unknown', version: undefined, times: {}, freshnessMs: undefined };
    const { committedAt: committed, receivedAt: received, indexedAt: visible, deleted, version } = mine;
    return {
      id: document,
      state: deleted ? 'deleted' : 'visible',
      version,
      times: { committed, received, visible },
      freshnessMs: Math.max(0, visible - committed),
    };
  }

  async function failureOf(tracked: TrackedChange, document: DocumentId): Promise<DocumentStatus['failure']> {
    if (tracked.failure === undefined) return undefined;
    const letter = await deadLetters.ofDocument(document);
    if (letter === undefined) return undefined;
    const { stage, code, message, id } = letter;
    return { stage, code, message, deadLetter: id };
  }
}

function fromFeed(id: DocumentId, tracked: TrackedChange, failure: DocumentStatus['failure']): DocumentStatus {
  const { state, version, times } = tracked;
  const freshnessMs = times.visible === undefined ? undefined : Math.max(0, times.visible - times.committed);
  return { id, state, version, times, freshnessMs, ...(failure === undefined ? {} : { failure }) };
}

/** A UUID may be a document id, or what the caller named a pushed document. */
function candidates(id: string, tenant: TenantId): readonly [DocumentId, ...DocumentId[]] {
  const pushed = pushedDocumentId(tenant, id);
  return UUID.test(id) ? [id.toLowerCase() as DocumentId, pushed] : [pushed];
}

async function firstOf<T>(
  ids: readonly DocumentId[],
  find: (id: DocumentId) => Promise<T | undefined>,
): Promise<T | undefined> {
  for (const id of ids) {
    const found = await find(id);
    if (found !== undefined) return found;
  }
  return undefined;
}
