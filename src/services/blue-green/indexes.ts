import { FreshetError, freshetErrorOf, kindOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CatalogueState, IndexCatalogue } from '../../ports/index-catalogue.ts';
import type { IndexesReport, IndexesService, IndexReport } from './service.ts';
import { currentToken, tokenReached } from '../tokens.ts';
import { blockersOf, isClose, LAG_MS_MAX } from './blockers.ts';
import { healthOf, type LineHealth } from './health.ts';
import type { Line } from './line.ts';
import { STATE_AGE_MS_MAX, type LineSet } from './line-set.ts';
import { notFed } from './plan.ts';
import type { Shadow } from './shadow.ts';

/** How long a switch waits for the index it switches to. */
const CATCH_UP_MS_MAX = 10_000;
const LOOK_AGAIN_MS = 100;
const CONNECT_MS_MAX = 5_000;

export interface IndexesDeps {
  readonly lines: LineSet<Line>;
  readonly catalogue: IndexCatalogue;
  /** Other instances may feed the same indexes, and learn of a drop a moment later. */
  readonly isShared: boolean;
  /** Removes what feeds an index at the sources (slots, groups) and its dead letters. Returns what it could not remove. */
  readonly forget: (name: string, signal: AbortSignal) => Promise<readonly string[]>;
  readonly shadow: Shadow;
  readonly clock: Clock;
}

/** What is known of an index that has a role. */
interface Look {
  readonly line?: Line | undefined;
  readonly failure: FreshetError | undefined;
  readonly health?: LineHealth;
}

export function createIndexesService(deps: IndexesDeps): IndexesService {
  const { lines, catalogue, clock, shadow } = deps;

  const report = async (signal: AbortSignal): Promise<IndexesReport> => {
    await lines.refresh(signal);
    const { state } = lines;
    const live = await healthOf(lines.live, clock, undefined, signal);
    /** One beside the live one that cannot be asked (its collection is gone, its server away) must not hide the others. */
    const look = async (name: string | undefined): Promise<Look> => {
      const line = name === undefined ? undefined : lines.get(name);
      const failure = name === undefined ? undefined : lines.failureOf(name);
      if (line === undefined) return { line, failure };
      try {
        return { line, failure, health: await healthOf(line, clock, live.stats.documents, signal) };
      } catch (error) {
        if (kindOf(error) === 'aborted') throw error;
        return { line, failure: failure ?? freshetErrorOf(error) };
      }
    };
    const candidate = await look(state.candidate);
    const previous = await look(state.previous);
    const known = new Map<string | undefined, Look>([
      [state.candidate, candidate],
      [state.previous, previous],
      [state.live, { line: lines.live, failure: lines.live.failure, health: live }],
    ]);
    const named = [state.live, state.candidate, state.previous].filter((name) => name !== undefined);
    const unused = (await catalogue.list(signal)).filter((name) => !named.includes(name));
    return {
      indexes: [...named, ...unused].map((name) => reportOf(name, state, known.get(name))),
      canaryShare: state.canaryShare,
      shadow: shadow.report(state.candidate),
      switchBlockers: blockersOf('candidate', state.candidate, candidate, live),
      rollbackBlockers: blockersOf('previous', state.previous, previous, live),
      notes: [
        ...lines.notes,
        ...unused.map(notFed),
        ...(state.canaryShare > 0 && candidate.health !== undefined && !isClose(candidate.health)
          ? [CANARY_WAITS]
          : []),
      ],
    };
  };

  /** An instance that has only just started is still connecting. */
  const connected = async (line: Line | undefined, signal: AbortSignal): Promise<void> => {
    const until = clock.monotonic() + CONNECT_MS_MAX;
    while (line !== undefined && line.failure === undefined && clock.monotonic() < until) {
      const states = await Promise.all(line.sources.map(({ source }) => source.freshness()));
      if (states.every((state) => state.connected)) return;
      await clock.sleep(LOOK_AGAIN_MS, signal);
    }
  };

  /** Everything committed before the call is in the index that becomes the live one. */
  const catchUp = async (next: Line, signal: AbortSignal): Promise<boolean> => {
    const token = await currentToken(lines.live.sources, signal);
    return tokenReached(token, next.sources, CATCH_UP_MS_MAX, signal);
  };

  const makeLive = async (
    role: 'candidate' | 'previous',
    force: boolean,
    next: (state: CatalogueState) => Omit<CatalogueState, 'revision'>,
    signal: AbortSignal,
  ): Promise<IndexesReport> => {
    await lines.refresh(signal);
    // All below is about these two indexes. Whoever changes the roles meanwhile, and be it by the same command, is told, not overruled.
    const seen = lines.state;
    const line = role === 'candidate' ? lines.candidate : lines.previous;
    await connected(line, signal);
    const now = await report(signal);
    const blockers = role === 'candidate' ? now.switchBlockers : now.rollbackBlockers;
    if (line === undefined || line.failure !== undefined) throw notReady(blockers, false);
    if (!force) {
      if (blockers.length > 0) throw notReady(blockers, true);
      if (!(await catchUp(line, signal))) throw notReady([neverCaughtUp(line.name)], true);
    }
    await lines.update(seen, next(seen), signal);
    return report(signal);
  };

  return {
    report,
    async canary(share, signal) {
      await lines.refresh(signal);
      const { state, candidate } = lines;
      if (share > 0 && candidate === undefined) {
        const failure = state.candidate === undefined ? undefined : lines.failureOf(state.candidate);
        throw notReady(blockersOf('candidate', state.candidate, { failure }, undefined), false);
      }
      await lines.update(state, { canaryShare: share }, signal);
      return report(signal);
    },
    switch: ({ force }, signal) =>
      makeLive(
        'candidate',
        force,
        ({ live, candidate }) => ({ live: candidate, candidate: undefined, previous: live, canaryShare: 0 }),
        signal,
      ),
    rollback: ({ force }, signal) =>
      makeLive(
        'previous',
        force,
        // What was live becomes the candidate again, to be mended, compared and switched to; unless another took that place meanwhile.
        ({ live, candidate, previous }) =>
          candidate === undefined
            ? { live: previous, candidate: live, previous: undefined, canaryShare: 0 }
            : { live: previous, candidate, previous: live, canaryShare: 0 },
        signal,
      ),
    async drop(wanted, signal) {
      await lines.refresh(signal);
      const { state } = lines;
      const named = [state.live, state.candidate, state.previous].filter((each) => each !== undefined);
      const name = theOne(wanted, [...new Set([...named, ...(await catalogue.list(signal))])]);
      if (name === state.live) {
        throw new FreshetError(
          'INDEX_IN_USE',
          'poison',
          `Index ${name} is the live one and answers every query. Switch to another, or roll back, before you drop it.`,
          { details: { index: name } },
        );
      }
      const without = (each: string | undefined): string | undefined => (each === name ? undefined : each);
      if (named.includes(name)) {
        const canaryShare = name === state.candidate ? 0 : state.canaryShare;
        const next = { candidate: without(state.candidate), previous: without(state.previous), canaryShare };
        await lines.update(state, next, signal);
        // Instances that feed it stop within a second; what they still write must find its place.
        if (deps.isShared) await clock.sleep(2 * STATE_AGE_MS_MAX, signal);
      }
      const leftBehind = await deps.forget(name, signal);
      await catalogue.drop(name, signal);
      return { dropped: name, leftBehind };
    },
  };
}

const CANARY_WAITS = `The candidate answers its share of the queries once it is built and at most ${LAG_MS_MAX / 1000} s behind; until then the live index answers all.`;

function reportOf(name: string, state: CatalogueState, look: Look | undefined): IndexReport {
  const { line, failure, health } = look ?? {};
  const { live, candidate, previous } = state;
  const role = name === live ? 'live' : name === candidate ? 'candidate' : name === previous ? 'previous' : 'unused';
  return {
    name,
    role,
    fed: line !== undefined && failure === undefined,
    built: health?.isBuilt,
    progress: health?.progress,
    documents: health?.stats.documents,
    chunks: health?.stats.chunks,
    bytesOnDisk: health?.stats.bytesOnDisk,
    asOf: health?.asOf,
    lagMs: health?.lagMs,
    deadLetters: health?.deadLetters,
    ...(line === undefined ? {} : { embedder: line.embedderName }),
    ...(failure === undefined ? {} : { failure: { code: failure.code, message: failure.message } }),
  };
}

/** By its whole name or any beginning that only one has. */
function theOne(wanted: string, names: readonly string[]): string {
  const found = names.includes(wanted) ? [wanted] : names.filter((name) => name.startsWith(wanted));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  throw new FreshetError(
    'INDEX_UNKNOWN',
    'poison',
    `${only === undefined ? `There is no index "${wanted}".` : `"${wanted}" is the beginning of several.`} There is: ${names.join(', ')}.`,
  );
}

function notReady(reasons: readonly string[], canBeForced: boolean): FreshetError {
  const how = canBeForced ? ' With --force it is done all the same.' : '';
  return new FreshetError('INDEX_NOT_READY', 'poison', `${reasons.join(' ')}${how}`);
}

const neverCaughtUp = (name: string): string =>
  `Index ${name} did not get what was committed last within ${CATCH_UP_MS_MAX / 1000} s: "freshet index status" shows how far it is behind.`;
