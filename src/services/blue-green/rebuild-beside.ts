import { FreshetError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { IndexesService } from './service.ts';
import type { Progress } from '../services.ts';
import { healthOf } from './health.ts';
import type { Line } from './line.ts';
import { isMadeFor, isRebuild, rebuildName, type LineId } from './line-name.ts';
import type { LineSet } from './line-set.ts';
import type { Section } from './plan.ts';

const LOOK_AGAIN_MS = 500;

export interface RebuildBesideDeps {
  readonly lines: LineSet<Line>;
  readonly indexes: IndexesService;
  readonly idOf: (section: Section) => LineId;
  readonly clock: Clock;
}

/**
 * Builds the live index anew where the store cannot exchange it in place: as a candidate of the same settings, which is switched to and the
 * old one dropped. Whoever stops it half-way finds the candidate in `freshet index status`; asked again, it goes on with that.
 * @throws poison REBUILD_IN_THE_WAY
 */
export async function rebuildBeside(
  deps: RebuildBesideDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<{ readonly documents: number; readonly chunks: number }> {
  const { lines, indexes, clock } = deps;
  await lines.refresh(signal);
  const { live } = lines;
  const seen = lines.state;
  const { candidate, previous, revision } = seen;
  const isResumable = (name: string): boolean => isRebuild(name) && isMadeFor(name, deps.idOf(live.settings));
  const other = previous ?? (candidate !== undefined && isResumable(candidate) ? undefined : candidate);
  if (other !== undefined) throw inTheWay(other);
  if (candidate === undefined) {
    const { settings } = live;
    await lines.begin(seen, { name: rebuildName(revision, deps.idOf(settings)), settings }, signal);
  }
  const total = (await live.index.stats(signal)).documents;
  for (;;) {
    const { candidate: next, state } = lines;
    const failure = state.candidate === undefined ? undefined : lines.failureOf(state.candidate);
    if (failure !== undefined) throw failure;
    if (next === undefined) throw stopped();
    const health = await healthOf(next, clock, total, signal);
    const { documents } = health.stats;
    onProgress({ phase: 'rebuilding', done: documents, total: Math.max(total, documents) });
    if (health.isBuilt) break;
    await clock.sleep(LOOK_AGAIN_MS, signal);
    await lines.refresh(signal);
  }
  onProgress({ phase: 'swapping in', done: 0, total: undefined });
  await indexes.switch({ force: false }, signal);
  await indexes.drop(live.name, signal);
  const { documents, chunks } = await lines.live.index.stats(signal);
  return { documents, chunks };
}

function inTheWay(name: string): FreshetError {
  return new FreshetError(
    'REBUILD_IN_THE_WAY',
    'poison',
    `A rebuild needs the place of index ${name}, which is beside the live one. Drop it first: freshet index drop ${name}.`,
    { details: { index: name } },
  );
}

function stopped(): FreshetError {
  return new FreshetError(
    'REBUILD_STOPPED',
    'poison',
    'The index that was being built was dropped, or is not fed by this instance. See "freshet index status".',
  );
}
