import { FreshetError } from '../../domain/errors.ts';
import type { CatalogueState } from '../../ports/index-catalogue.ts';
import { hasEmbedderOf, isMadeFor, isRebuild, lineName, type LineId } from './line-name.ts';

/** The two sections of the configuration that an index can be built from. */
export type Section = 'main' | 'candidate';

/** The settings of the configuration, by what they make of an index. */
export interface ConfiguredSettings {
  readonly main: LineId;
  /** `candidate:`, where there is one. */
  readonly candidate: LineId | undefined;
  /** Why nobody knows what those under `candidate:` make: only a model that can be opened says it. */
  readonly unopened?: FreshetError;
}

export interface PlannedLine {
  readonly name: string;
  readonly settings: Section;
}

export interface LinePlan {
  /** What is opened and fed; the live one first. */
  readonly lines: readonly PlannedLine[];
  /** The state to record before anything is opened; plan again once that is done. Absent when the recorded one will do. */
  readonly record?: Omit<CatalogueState, 'revision'>;
  /** What a person should know or do, one sentence each. */
  readonly notes: readonly string[];
}

export interface StoreFacts {
  /** Whether an index can be filled anew for another embedder than it was made for. */
  readonly changesEmbedderInPlace: boolean;
  /** Under which settings indexes were filled last, where that is known; otherwise they are those they were made for. */
  readonly filledUnder?: ReadonlyMap<string, LineId>;
}

/**
 * What an instance opens, by what is configured and what is recorded:
 *
 * - Nothing recorded yet: the main settings make the first index, and it is live.
 * - A recorded index is fed by the section it was made for. One that no section names is kept as it is and not fed.
 * - The live index is always fed. When no section was made for it, the main settings were changed in place: it is filled anew under them,
 *   as far as its store can do that, and unless they are the settings of another recorded index, which would be a slip.
 * - Settings under `candidate:` whose model cannot be opened stop the start only where the live index may be made from them.
 * - Settings under `candidate:` that no recorded index was made for begin a new one, in the place of a candidate of before.
 *
 * @throws fatal CONFIG_LIVE_INDEX, CONFIG_EMBEDDER_CHANGED, `unopened`
 */
export function planLines(settings: ConfiguredSettings, state: CatalogueState, store: StoreFacts): LinePlan {
  const { main } = settings;
  const isRepeated = settings.candidate !== undefined && isSame(settings.candidate, main);
  const candidate = isRepeated ? undefined : settings.candidate;
  const { unopened } = settings;
  const notes = isRepeated ? [REPEATED] : unopened === undefined ? [] : [notOpened(unopened)];
  const { live } = state;
  if (live === undefined) {
    const first = lineName(state.revision, main);
    const record = { live: first, candidate: undefined, previous: undefined, canaryShare: 0 };
    return { lines: [{ name: first, settings: 'main' }], record, notes };
  }

  const isOf = (name: string, id: LineId): boolean => {
    const filled = store.filledUnder?.get(name);
    return filled === undefined ? isMadeFor(name, id) : isSame(filled, id);
  };
  const sectionOf = (name: string): Section | undefined => {
    if (isOf(name, main)) return 'main';
    return candidate !== undefined && isOf(name, candidate) ? 'candidate' : undefined;
  };
  const liveSection = sectionOf(live) ?? inPlace(live, settings, state, store);
  const lines: PlannedLine[] = [{ name: live, settings: liveSection }];
  for (const name of [state.candidate, state.previous]) {
    const section = name === undefined ? undefined : sectionOf(name);
    if (name !== undefined && section !== undefined) lines.push({ name, settings: section });
  }
  const isFed = (section: Section): boolean => lines.some((line) => line.settings === section);

  if (!isFed('main')) {
    // The settings of the previous index were changed in place while it was live, so its name does not tell them any more.
    const { previous } = state;
    const isOpen = lines.some(({ name }) => name === previous);
    const fits = previous !== undefined && (store.changesEmbedderInPlace || hasEmbedderOf(previous, main));
    if (fits && !isOpen) lines.push({ name: previous, settings: 'main' });
  }
  if (liveSection === 'candidate') notes.push(moveSettings(live));
  const unfed = [state.candidate, state.previous].filter((name) => !lines.some((line) => line.name === name));
  for (const name of unopened === undefined ? unfed : []) if (name !== undefined) notes.push(notFed(name));
  if (candidate === undefined || isFed('candidate')) return { lines, notes };

  const name = lineName(state.revision, candidate);
  return {
    lines: [...lines, { name, settings: 'candidate' }],
    record: { live, candidate: name, previous: state.previous, canaryShare: 0 },
    notes,
  };
}

/** The live index under settings that it was not made for. */
function inPlace(
  live: string,
  { main, candidate, unopened }: ConfiguredSettings,
  state: CatalogueState,
  store: StoreFacts,
): Section {
  // It may be the live index's own, and then filling it under the main settings would be wrong.
  if (unopened !== undefined) throw unopened;
  const others = [state.candidate, state.previous].filter((name) => name !== undefined);
  // A rebuild of it is made for the main settings, too: they were changed in place before.
  const slip = others.find((name) => isMadeFor(name, main) && !isRebuild(name));
  if (slip !== undefined) {
    const role = slip === state.previous ? 'was live before the last switch' : 'is not live yet';
    const mend =
      slip === state.previous
        ? `Move the settings of the live index out of "candidate:", where they were, into the main ones; or put them back there and run "freshet index rollback".`
        : `Keep the settings of the live index as the main ones and give the new ones under "candidate:", run "freshet index switch", and only then move them.`;
    throw new FreshetError(
      'CONFIG_LIVE_INDEX',
      'fatal',
      `The configuration does not name the settings of the live index ${live}: the main ones are those of index ${slip}, which ${role}. ${mend}`,
      { details: { live, configured: slip } },
    );
  }
  if (!store.changesEmbedderInPlace && !hasEmbedderOf(live, main)) {
    throw new FreshetError(
      'CONFIG_EMBEDDER_CHANGED',
      'fatal',
      `The embedder of the main settings is not the one that the live index ${live} was made with, and its vectors do not compare. Put the old ` +
        'embedder back, give the new one under "candidate:", and run "freshet index switch" once it is built.',
      { details: { live, hasCandidate: candidate !== undefined } },
    );
  }
  return 'main';
}

const isSame = (a: LineId, b: LineId): boolean => a.embedder === b.embedder && a.rest === b.rest;

const REPEATED =
  'The settings under "candidate:" are the main ones: there is nothing to build or compare. Remove them.';

const notOpened = ({ code, message }: FreshetError): string =>
  `Nothing is built or fed from the settings under "candidate:", because they cannot be opened (${code}): ${message} The live index goes on ` +
  'without; mend them and start again.';

const moveSettings = (live: string): string =>
  `The live index ${live} is built from the settings under "candidate:". Make them the main ones; put the old ones under "candidate:" for as ` +
  'long as a rollback should stay possible.';

/** Of an index that is kept, but nobody feeds. */
export const notFed = (name: string): string =>
  `Index ${name} is not fed, because the configuration does not name its settings; what feeds it at the sources stays (a replication slot holds ` +
  `back log on its server). "freshet index drop ${name}" deletes both.`;
