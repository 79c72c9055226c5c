import { setMaxListeners } from 'node:events';
import type { Observer } from '../observability/events.ts';
import { errorForLog } from '../observability/error-for-log.ts';
import { createLogObserver } from '../observability/observer.ts';
import type { Cleanup } from '../runtime/cleanup.ts';
import { systemClock } from '../runtime/clock.ts';
import { LineSet } from '../services/blue-green/line-set.ts';
import { planLines, type PlannedLine } from '../services/blue-green/plan.ts';
import { readFilledUnder } from './filled-under.ts';
import { openLine, type LineParts, type OpenLine } from './line.ts';
import type { OpenSections } from './line-rules.ts';
import type { Ui } from './ui.ts';

export interface LinesParts {
  readonly common: Pick<LineParts, 'config' | 'home' | 'databases' | 'deadLetters' | 'pushed' | 'keys'>;
  readonly sections: OpenSections;
  /** Of the instance: what happens in the live index is its figures. */
  readonly observer: Observer;
  readonly ui: Ui;
  readonly cleanup: Cleanup;
}

/** Opens the lines that configuration and catalogue ask for, and follows the catalogue from then on. */
export async function openLines(parts: LinesParts, signal: AbortSignal): Promise<LineSet<OpenLine>> {
  const { common, sections, ui, cleanup } = parts;
  const { logger } = ui;
  const { catalogue, changesEmbedderInPlace } = common.home;
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  let first: string | undefined;
  let isLive = (name: string): boolean => name === first;

  const open = async ({ name, settings }: PlannedLine): Promise<OpenLine> => {
    // The plan begins with the live one.
    first ??= name;
    const log = createLogObserver(logger.child({ index: name }));
    const line = await openLine(
      {
        ...common,
        name,
        settings,
        rules: await sections.rulesOf(settings),
        observer: { emit: (event) => (isLive(name) ? parts.observer : log).emit(event) },
        onCloseFailed: (what, error) => logger.error({ err: error }, `closing failed: ${what} of index ${name}`),
      },
      AbortSignal.any([signal, life.signal]),
    );
    line.failed.catch((error: unknown) => {
      if (!isLive(name)) logger.error({ index: name, err: errorForLog(error) }, `index ${name} is not fed any more`);
    });
    return line;
  };

  const { unopened } = sections.ids;
  if (unopened !== undefined)
    logger.error({ err: errorForLog(unopened) }, 'the settings under "candidate:" cannot be opened');
  const filledUnder = await readFilledUnder(catalogue, sections, signal);
  const set = await LineSet.open<OpenLine>(
    {
      catalogue,
      plan: (state) => planLines(sections.ids, state, { changesEmbedderInPlace, filledUnder }),
      open,
      make: async ({ name, settings }) => {
        const index = await catalogue.open(name, sections.specOf(settings), life.signal);
        await index[Symbol.asyncDispose]();
      },
      clock: systemClock,
      onTrouble: (what, error) => logger.error({ err: errorForLog(error) }, what),
    },
    signal,
  );
  isLive = (name) => set.isLive(name);
  cleanup.add('lines', () => set.close());
  for (const note of set.notes) ui.say(note);
  if (set.candidate !== undefined)
    ui.say(`Index ${set.candidate.name} is fed beside the live one: "freshet index status" shows how far it is.`);
  const following = set.run(life.signal);
  cleanup.add('roles', async () => {
    life.abort();
    await following;
  });
  return set;
}
