import type { Checkpoints } from '../ports/checkpoints.ts';
import type { IndexCatalogue } from '../ports/index-catalogue.ts';
import { hasEmbedderOf, isMadeFor, type LineId } from '../services/blue-green/line-name.ts';
import type { Section } from '../services/blue-green/plan.ts';
import type { OpenSections } from './line-rules.ts';

/** Under which settings an index was filled last, kept beside the positions of its sources: they may have been changed in place. */
export const FILLED_UNDER = 'filled under';

export const saveFilledUnder = (index: Checkpoints, id: LineId): Promise<void> => index.save(FILLED_UNDER, id);

/**
 * What the indexes themselves say they were filled under, where their names leave it open: no index was made for the main settings, but
 * one for those of the candidate. Either it was switched to, or it was made for them, is filled under others since, and is to go back.
 */
export async function readFilledUnder(
  catalogue: IndexCatalogue,
  sections: OpenSections,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LineId>> {
  const { live, candidate, previous } = await catalogue.state(signal);
  const { main, candidate: second } = sections.ids;
  const names = [live, candidate, previous].filter((name) => name !== undefined);
  const found = new Map<string, LineId>();
  if (second === undefined || names.some((name) => isMadeFor(name, main))) return found;
  for (const name of names) {
    const section: Section = hasEmbedderOf(name, second) ? 'candidate' : 'main';
    if (section === 'main' && !hasEmbedderOf(name, main)) continue;
    const index = await catalogue.open(name, sections.specOf(section), signal);
    try {
      const stored = (await index.load(FILLED_UNDER)) as LineId | null | undefined;
      if (stored !== undefined && stored !== null) found.set(name, stored);
    } finally {
      await index[Symbol.asyncDispose]();
    }
  }
  return found;
}
