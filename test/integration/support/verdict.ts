import { randomUUID } from 'node:crypto';
import type { Instance, Place } from '../../e2e/support/instance.ts';
import { until } from '../../e2e/support/process.ts';
import type { World } from './world.ts';

const CAUGHT_UP_MS = 120_000;

/** What `freshet verify --json` says. */
export interface Verdict {
  readonly missing: number;
  readonly stale: number;
  readonly ghost: number;
  readonly duplicate: number;
  readonly documents: number;
  readonly unindexable: number;
  readonly problems: readonly { readonly document: string }[];
  readonly comparedWith: readonly { readonly source: string; readonly origin: string }[];
  readonly notCompared: readonly { readonly source: string; readonly reason: string }[];
}

/** Resolves once a query shows a row that is written now, and with it everything committed before. */
export async function caughtUp(world: World, instance: Instance, withinMs = CAUGHT_UP_MS): Promise<void> {
  const word = `marker${randomUUID().replaceAll('-', '')}`;
  await world.sql.run(
    `INSERT INTO articles (slug, title, body) VALUES ('marker', 'Marker', $1)
     ON CONFLICT (slug) DO UPDATE SET body = excluded.body`,
    [`This is ${word}.`],
  );
  const shown = async (): Promise<boolean> => {
    const { data } = await instance.search(word, { limit: 3 });
    return data.some(({ content }) => content.some(({ text }) => text.includes(word)));
  };
  await until(() => shown().catch(() => false), `${word} to be shown`, withinMs, 50);
}

export async function verdictOf(place: Place): Promise<Verdict> {
  return (await place.json<Verdict>('verify')).value;
}
