import type { Redacted } from '../domain/document.ts';
import { codeOf, kindOf } from '../domain/errors.ts';
import { tableId } from '../domain/ids.ts';
import type { SearchQuery } from '../domain/search.ts';
import type { EmbedQueue } from '../ingest/embed-queue.ts';
import type { Clock } from '../ports/clock.ts';
import type { Index } from '../ports/index-store.ts';
import type { Redactor } from '../ports/redactor.ts';
import type { AnswerFreshness, SearchAnswer, SearchRequest, SearchService } from './services.ts';
import type { LiveSource } from './live-source.ts';
import { agesOf, oldestAsOf } from './source-freshness.ts';
import { coveredToken, tokenReached } from './tokens.ts';

const DEFAULT_WAIT_MS = 2_000;
/** An interactive query does not wait longer than this for its vector; it is answered from the words instead, and says so. */
const QUERY_EMBED_MS = 5_000;

export interface SearchDeps {
  readonly index: Index;
  readonly redactor: Redactor & { principalId(principal: string): string };
  readonly embedQueue: EmbedQueue;
  readonly sources: () => readonly LiveSource[];
  readonly clock: Clock;
  readonly lexicalOnly: boolean;
}

/** Redact the query by the rules of the documents, embed it, search, and say how fresh the answer is. */
export function createSearchService(deps: SearchDeps): SearchService {
  const { index, redactor, clock, sources } = deps;

  const waitFor = async (request: SearchRequest, signal: AbortSignal): Promise<boolean> => {
    const { consistency } = request;
    if (consistency?.token === undefined || consistency.mode === 'eventual') return true;
    return tokenReached(consistency.token, sources(), consistency.waitMs ?? DEFAULT_WAIT_MS, signal);
  };

  /** Sampled before the search: what the answer shows is at least as new as this (invariant 9). */
  const freshness = async (reached: boolean): Promise<AnswerFreshness> => {
    const perSource = agesOf(await Promise.all(sources().map(({ source }) => source.freshness())));
    const { asOf, lagMs } = oldestAsOf(perSource, clock.now());
    return { asOf, lagMs, token: coveredToken(sources()), tokenReached: reached, perSource };
  };

  return {
    async search(request, signal): Promise<SearchAnswer> {
      const tokenWasReached = await waitFor(request, signal);
      const fresh = await freshness(tokenWasReached);
      const text = redactor.redactText(request.query);
      const { vector, degraded } =
        request.mode === 'lexical' || (deps.lexicalOnly && request.mode === 'hybrid')
          ? { vector: undefined, degraded: undefined }
          : await embed(deps, text, signal);
      const hits = await index.search(toQuery(request, text, vector, deps), signal);
      return { hits, freshness: fresh, query: text, ...(degraded === undefined ? {} : { degraded }) };
    },
  };
}

async function embed(
  { embedQueue, clock }: SearchDeps,
  text: Redacted<string>,
  signal: AbortSignal,
): Promise<{ vector: Float32Array | undefined; degraded: { code: string; message: string } | undefined }> {
  const timeout = new AbortController();
  const deadline = clock.sleep(QUERY_EMBED_MS, timeout.signal).then(
    () => timeout.abort(),
    () => undefined,
  );
  try {
    const vector = await embedQueue.embedQuery(text, AbortSignal.any([signal, timeout.signal]));
    return { vector, degraded: undefined };
  } catch (error) {
    if (signal.aborted || kindOf(error) === 'fatal') throw error;
    const code = kindOf(error) === 'aborted' ? 'EMBEDDER_TIMEOUT' : codeOf(error);
    return {
      vector: undefined,
      degraded: { code, message: 'The query could not be embedded: results are lexical only.' },
    };
  } finally {
    timeout.abort();
    await deadline;
  }
}

function toQuery(
  request: SearchRequest,
  text: Redacted<string>,
  vector: Float32Array | undefined,
  { clock, redactor }: SearchDeps,
): SearchQuery {
  const { limit, tenant, principals, tables, filter, committedFrom, committedTo, recency, perDocument, mode } = request;
  return {
    text,
    limit,
    tenant,
    now: clock.now(),
    mode: vector === undefined ? 'lexical' : mode,
    ...(vector === undefined ? {} : { vector }),
    ...(principals === undefined ? {} : { principals: principals.map((name) => redactor.principalId(name)) }),
    ...(tables === undefined ? {} : { tables: tables.map(tableId) }),
    ...(filter === undefined ? {} : { filter }),
    ...(committedFrom === undefined ? {} : { committedFrom }),
    ...(committedTo === undefined ? {} : { committedTo }),
    ...(recency === undefined ? {} : { recency }),
    ...(perDocument === undefined ? {} : { perDocument }),
  };
}
