import { expect } from 'vitest';
import type { Instance, Place } from '../../e2e/support/instance.ts';
import { caughtUp, type Verdict } from './verdict.ts';
import type { World } from './world.ts';

export const CLEAN = { missing: 0, stale: 0, ghost: 0, duplicate: 0, problems: [], notCompared: [], unindexable: 0 };

/** Everything written so far is in the index, and the index is what the database says. */
export async function expectTrue(world: World, place: Place, instance: Instance): Promise<Verdict> {
  await caughtUp(world, instance);
  return expectVerified(place);
}

export async function expectVerified(place: Place, origin: string | RegExp = 'the database'): Promise<Verdict> {
  const { code, value } = await place.json<Verdict>('verify');
  expect(value).toMatchObject(CLEAN);
  expect(value.comparedWith.find(({ source }) => source === 'help')?.origin).toMatch(origin);
  expect(code).toBe(0);
  return value;
}
