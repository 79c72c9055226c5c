import PQueue from 'p-queue';
import type { SearchHit } from '../../domain/search.ts';
import type { Clock } from '../../ports/clock.ts';
import { percentile } from '../../observability/percentiles.ts';
import type { ShadowReport } from './service.ts';
import type { SearchAnswer, SearchRequest } from '../services.ts';
import type { Line } from './line.ts';

/** Shadow queries are a courtesy: what does not fit is left out, and counted. */
export interface ShadowLimits {
  readonly concurrency: number;
  readonly perSecond: number;
  /** The newest comparisons, of which the report is made. */
  readonly samples: number;
}

const DEFAULT_LIMITS: ShadowLimits = { concurrency: 2, perSecond: 20, samples: 1_000 };
/** How many of the best results are compared. */
const COMPARED = 10;
const QUERY_MS_MAX = 10_000;

interface Sample {
  readonly byDocument: number;
  readonly byText: number;
  readonly liveMs: number;
  readonly candidateMs: number;
}

export interface Shadow {
  /** After the live index answered: never awaited, never delays anybody. */
  offer(
    candidate: Line,
    asked: SearchRequest,
    answered: { readonly answer: SearchAnswer; readonly tookMs: number },
  ): void;
  report(candidate: string | undefined): ShadowReport | undefined;
  /** Resolves once nothing is being compared. */
  idle(): Promise<void>;
}

/**
 * Asks the candidate what the live index was asked, in the background, and compares: which share of the best ten results both have, and how
 * long each took. Texts are compared in memory and forgotten; only numbers are kept.
 */
export function createShadow(clock: Clock, limits: ShadowLimits = DEFAULT_LIMITS): Shadow {
  const queue = new PQueue({ concurrency: limits.concurrency });
  let about: string | undefined;
  let samples: Sample[] = [];
  let compared = 0;
  let failed = 0;
  let skipped = 0;
  let tokens = limits.perSecond;
  let filledAt = clock.monotonic();

  const begin = (candidate: string): void => {
    if (about === candidate) return;
    about = candidate;
    samples = [];
    compared = failed = skipped = 0;
  };

  const isAllowed = (): boolean => {
    const now = clock.monotonic();
    tokens = Math.min(limits.perSecond, tokens + ((now - filledAt) / 1_000) * limits.perSecond);
    filledAt = now;
    if (tokens < 1 || queue.pending >= limits.concurrency) return false;
    tokens -= 1;
    return true;
  };

  const compare = async (candidate: Line, asked: SearchRequest, live: SearchAnswer, liveMs: number): Promise<void> => {
    const started = clock.monotonic();
    try {
      const answer = await candidate.services.search.search(asked, AbortSignal.timeout(QUERY_MS_MAX));
      // By words only, because a model is away: that says nothing of the index.
      if (answer.degraded !== undefined || about !== candidate.name) return;
      samples.push({ ...overlapOf(live.hits, answer.hits), liveMs, candidateMs: clock.monotonic() - started });
      if (samples.length > limits.samples) samples.shift();
      compared += 1;
    } catch {
      // Whatever is wrong with the candidate, its own pipelines and `freshet index status` say so.
      failed += 1;
    }
  };

  return {
    offer(candidate, asked, { answer, tookMs }) {
      begin(candidate.name);
      if (answer.degraded !== undefined) return;
      // What waited for a token was slow for another reason, and would wait again.
      if (asked.consistency?.mode === 'at_least') return;
      if (isAllowed()) void queue.add(() => compare(candidate, asked, answer, tookMs));
      else skipped += 1;
    },
    report(candidate) {
      if (candidate === undefined || candidate !== about) return undefined;
      const mean = (of: (sample: Sample) => number): number | undefined =>
        samples.length === 0 ? undefined : samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
      return {
        compared,
        failed,
        skipped,
        overlapByDocument: mean(({ byDocument }) => byDocument),
        overlapByText: mean(({ byText }) => byText),
        liveMs: latency(samples.map(({ liveMs }) => liveMs)),
        candidateMs: latency(samples.map(({ candidateMs }) => candidateMs)),
      };
    },
    idle: () => queue.onIdle(),
  };
}

function latency(values: readonly number[]): ShadowReport['liveMs'] {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: percentile(sorted, 50), p95: percentile(sorted, 95) };
}

type Compared = Pick<SearchHit, 'document' | 'text'>;

/** Of the best ten of each, the share that both have: 1 when they are the same in any order, also when neither found anything. */
export function overlapOf(
  live: readonly Compared[],
  candidate: readonly Compared[],
): { readonly byDocument: number; readonly byText: number } {
  const share = (of: (hit: Compared) => string): number => {
    const a = new Set(live.slice(0, COMPARED).map(of));
    const b = new Set(candidate.slice(0, COMPARED).map(of));
    const larger = Math.max(a.size, b.size);
    return larger === 0 ? 1 : [...a].filter((each) => b.has(each)).length / larger;
  };
  return { byDocument: share((hit) => hit.document), byText: share((hit) => hit.text) };
}
