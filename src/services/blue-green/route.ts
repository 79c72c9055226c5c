import { createHash } from 'node:crypto';
import { FreshetError, kindOf } from '../../domain/errors.ts';
import type { Observer } from '../../observability/events.ts';
import type { Clock } from '../../ports/clock.ts';
import type { IndexesService } from './service.ts';
import type {
  AdminService,
  FreshnessService,
  LiveEvent,
  SearchAnswer,
  SearchRequest,
  SearchService,
  Services,
} from '../services.ts';
import { agesOf, oldestAsOf } from '../source-freshness.ts';
import { isClose } from './blockers.ts';
import type { Line } from './line.ts';
import type { LineSet } from './line-set.ts';
import type { Shadow } from './shadow.ts';

/** How long the answer to "can the candidate answer?" holds for queries. */
const ABLE_AGE_MS_MAX = 1_000;

/** The services of an instance: each call goes to the line it is about, by the roles of that moment. */
export function routeServices(deps: {
  readonly lines: LineSet<Line>;
  readonly shadow: Shadow;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly indexes: IndexesService;
  readonly rebuildBeside: AdminService['rebuild'];
}): Services {
  const { lines, indexes } = deps;
  const live = (): Services['documents'] => lines.live.services.documents;
  const answering = async (): Promise<Services['documents']> => (await lines.answering()).services.documents;
  return {
    search: routeSearch(deps),
    documents: {
      get: async (id, tenant, signal) => (await answering()).get(id, tenant, signal),
      status: async (id, tenant, signal) => (await answering()).status(id, tenant, signal),
      // They go into one log that every line reads.
      put: (documents, signal) => live().put(documents, signal),
      delete: (id, options, signal) => live().delete(id, options, signal),
    },
    freshness: routeFreshness(lines),
    admin: routeAdmin(lines, deps.rebuildBeside),
    indexes,
  };
}

function routeSearch(deps: {
  readonly lines: LineSet<Line>;
  readonly shadow: Shadow;
  readonly clock: Clock;
  readonly observer: Observer;
}): SearchService {
  const { lines, shadow, clock, observer } = deps;
  const isAble = recently(clock, (line) => canAnswer(line, clock));

  const searchIn = async (line: Line, request: SearchRequest, signal: AbortSignal) => ({
    ...(await line.services.search.search(request, signal)),
    index: line.name,
  });

  const answer = async (request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer> => {
    const liveLine = await lines.answering();
    const { candidate, state } = lines;
    const isReady = candidate !== undefined && candidate.failure === undefined && isAble(candidate);
    if (isReady && isOfShare(request, state.canaryShare)) {
      try {
        return await searchIn(candidate, request, signal);
      } catch (error) {
        // The live index answers what the candidate cannot; what is wrong with the request is wrong with both.
        if (signal.aborted || kindOf(error) === 'poison') throw error;
      }
    }
    const started = clock.monotonic();
    const found = await searchIn(liveLine, request, signal);
    if (isReady) shadow.offer(candidate, request, { answer: found, tookMs: clock.monotonic() - started });
    return found;
  };

  return {
    /** Told of here, where somebody waits for the answer: comparisons with the candidate are nobody's queries. */
    async search(request, signal) {
      const started = clock.monotonic();
      const given = await answer(request, signal);
      observer.emit({
        type: 'search',
        mode: request.mode,
        hits: given.hits.length,
        ms: clock.monotonic() - started,
        degraded: given.degraded !== undefined,
      });
      return given;
    },
  };
}

/** Built, and as close as a switch asks for: else readers would go back in time with every query of the canary's share. */
async function canAnswer(line: Line, clock: Clock): Promise<boolean> {
  const states = await Promise.all(line.sources.map(({ source }) => source.freshness()));
  const { lagMs } = oldestAsOf(agesOf(states), clock.now());
  return isClose({ isBuilt: states.every((state) => state.snapshotFinished), lagMs });
}

/**
 * Whether the candidate answers a query. By the query itself, so that the same one always gets the same index, and a share that grows keeps
 * those it has.
 */
export function isOfShare({ tenant, query }: Pick<SearchRequest, 'tenant' | 'query'>, share: number): boolean {
  if (share <= 0) return false;
  const digest = createHash('sha256')
    .update(JSON.stringify([tenant, query]))
    .digest();
  return digest.readUInt32BE(0) / 2 ** 32 < share;
}

/** What was found lately, at once; it is asked again behind the query's back, which waits for no source. */
function recently(clock: Clock, ask: (line: Line) => Promise<boolean>): (line: Line) => boolean {
  let known = { of: '', askedAt: -Infinity, answer: false };
  return (line) => {
    const now = clock.monotonic();
    if (known.of !== line.name) known = { of: line.name, askedAt: -Infinity, answer: false };
    if (now - known.askedAt > ABLE_AGE_MS_MAX) {
      const about = known;
      about.askedAt = now;
      void ask(line).then(
        (answer) => (about.answer = answer),
        () => (about.answer = false),
      );
    }
    return known.answer;
  };
}

function routeFreshness(lines: LineSet<Line>): FreshnessService {
  const live = (): FreshnessService => lines.live.services.freshness;
  return {
    async report(signal) {
      const { name, services } = lines.live;
      const report = await services.freshness.report(signal);
      return { ...report, index: { ...report.index, name } };
    },
    ready: () => live().ready(),
    recent: (tenant, limit) => live().recent(tenant, limit),
    /** Every line is listened to, those that are opened later too, and only what the live one says is passed on: a switch needs no new subscription. */
    subscribe(tenant, listener) {
      const ends: (() => void)[] = [];
      const end = lines.forEach(({ name, services }) => {
        const pass = (event: LiveEvent): void => {
          if (lines.isLive(name)) listener(event);
        };
        ends.push(services.freshness.subscribe(tenant, pass));
      });
      return () => [end, ...ends].forEach((stop) => stop());
    },
  };
}

/** Upkeep is of the live index, or of the one that is named. */
function routeAdmin(lines: LineSet<Line>, rebuildBeside: AdminService['rebuild']): AdminService {
  const of = (index: string | undefined): AdminService => lineNamed(lines, index).services.admin;
  return {
    verify: (options, onProgress, signal) => of(options.index).verify(options, onProgress, signal),
    rebuild: (onProgress, signal) =>
      lines.live.rebuildsInPlace ? of(undefined).rebuild(onProgress, signal) : rebuildBeside(onProgress, signal),
    replay: (options, signal) => of(options.index).replay(options, signal),
    deadLetters: {
      list: async (limit, after, index) => of(index).deadLetters.list(limit, after),
      get: async (id, index) => of(index).deadLetters.get(id),
      retry: async (id, signal, index) => of(index).deadLetters.retry(id, signal),
    },
  };
}

function lineNamed(lines: LineSet<Line>, index: string | undefined): Line {
  if (index === undefined) return lines.live;
  const found = lines.all.filter(({ name }) => name === index || name.startsWith(index));
  const exact = found.find(({ name }) => name === index) ?? (found.length === 1 ? found[0] : undefined);
  if (exact !== undefined) return exact;
  const names = lines.all.map(({ name }) => name).join(', ');
  throw new FreshetError('INDEX_UNKNOWN', 'poison', `This instance feeds no index "${index}". It feeds: ${names}.`);
}
