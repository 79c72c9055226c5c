import type { DocumentId, TenantId } from '../domain/ids.ts';
import { pushedDocumentId } from '../domain/ids.ts';
import type { ChangeFeed } from '../observability/change-feed.ts';
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
      const stored = await index.document(toDocumentId(id, tenant), tenant, signal);
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

    async status(id, tenant, signal): Promise<DocumentStatus> {
      const document = toDocumentId(id, tenant);
      const tracked = feed.lastChange(document, tenant);
      const head = (await index.heads([document], signal)).get(document);
      const mine = head?.attributes.tenant === tenant ? head : undefined;
      if (tracked !== undefined && (mine === undefined || tracked.version >= mine.version)) {
        const { state, version, times, failure } = tracked;
        const letter = failure === undefined ? undefined : await letterOf(deadLetters, document);
        const freshnessMs = times.visible === undefined ? undefined : Math.max(0, times.visible - times.committed);
        return {
          id: document,
          state,
          version,
          times,
          freshnessMs,
          ...(letter === undefined
            ? {}
            : {
                failure: { stage: letter.stage, code: letter.code, message: letter.message, deadLetter: letter.id },
              }),
        };
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
    },
  };
}

function toDocumentId(id: string, tenant: TenantId): DocumentId {
  return UUID.test(id) ? (id.toLowerCase() as DocumentId) : pushedDocumentId(tenant, id);
}

/** There are few dead letters; the newest page is enough to find a fresh one. */
async function letterOf(
  deadLetters: DeadLetters,
  document: DocumentId,
): Promise<Awaited<ReturnType<DeadLetters['list']>>[number] | undefined> {
  return (await deadLetters.list({ limit: 1_000 })).find((letter) => letter.document === document);
}
