import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Component } from '../../scripts/stack/index.ts';
import type { Instance, Place } from '../e2e/support/instance.ts';
import { Load } from './support/load.ts';
import { expectTrue } from './support/settled.ts';
import { CONNECTOR, SHORT_SESSIONS, startWorld, type World } from './support/world.ts';

const LOAD = { perSecond: 60, rows: 300 };
/** Under load before and after each kill: long enough for writes to be under way, and for Connect to have offsets that are not flushed. */
const UNDER_LOAD_MS = 2_500;

describe('killed with SIGKILL under load', () => {
  let world: World;
  let place: Place;
  let instance: Instance;
  let load: Load;
  let seed = 0;
  beforeAll(async () => {
    world = await startWorld();
    place = world.place({ index: { engine: 'sqlite' }, source: SHORT_SESSIONS });
    instance = await place.start();
    await instance.ready(60_000);
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  beforeEach(() => {
    load = new Load(world.sql, { ...LOAD, seed: (seed += 1) }).start();
  });
  afterEach(async () => {
    await load.stop();
  });

  const kill = async (component: Component, times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      await sleep(UNDER_LOAD_MS);
      await component.kill9();
      await component.start();
    }
    await sleep(UNDER_LOAD_MS);
  };
  const theRest = async (): Promise<void> => {
    await load.stop();
    expect(load.statements).toBeGreaterThan(100);
    expect(instance.run.child.exitCode).toBeNull();
    await expectTrue(world, place, instance);
  };

  it('Freshet carries on where it was, twice', async () => {
    for (let n = 0; n < 2; n += 1) {
      await sleep(UNDER_LOAD_MS);
      await instance.kill();
      instance = await place.start();
    }
    await sleep(UNDER_LOAD_MS);
    await theRest();
  });

  it('the broker comes back, and nothing is lost or done twice', async () => {
    await kill(world.kafka, 2);
    await world.connect.running(CONNECTOR);
    await theRest();
  });

  it('Connect comes back and sends again what it had sent, under higher offsets', async () => {
    await kill(world.connect, 2);
    await world.connect.running(CONNECTOR);
    await theRest();
  });

  it('PostgreSQL comes back, and Debezium with it', async () => {
    await kill(world.postgres, 2);
    await world.connect.running(CONNECTOR);
    await theRest();
  });

  it('everything at once', async () => {
    await sleep(UNDER_LOAD_MS);
    const all = [world.kafka, world.connect, world.postgres];
    await Promise.all([...all.map((component) => component.kill9()), instance.kill()]);
    await Promise.all(all.map((component) => component.start()));
    instance = await place.start();
    await world.connect.running(CONNECTOR);
    await sleep(UNDER_LOAD_MS);
    await theRest();
  });
});
