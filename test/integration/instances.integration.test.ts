import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Instance, Place } from '../e2e/support/instance.ts';
import { startQdrant, type QdrantServer } from '../support/qdrant/double.ts';
import { Load } from './support/load.ts';
import { expectTrue } from './support/settled.ts';
import { SHORT_SESSIONS, startWorld, type World } from './support/world.ts';

const LOAD = { perSecond: 40, rows: 200 };
const UNDER_LOAD_MS = 3_000;
/** Longer than the session timeout, so that the group has given the partitions away. */
const FROZEN_MS = 9_000;

interface Member {
  readonly place: Place;
  instance: Instance;
}

describe('several instances on one topic and one index', () => {
  let world: World;
  let qdrant: QdrantServer;
  let load: Load;
  let seed = 100;
  const members: Member[] = [];

  const join = async (): Promise<Member> => {
    const place = world.place({
      index: { engine: 'qdrant', url: qdrant.url },
      source: SHORT_SESSIONS,
      // Pushed documents are kept by one instance, here by the first.
      more: members.length === 0 ? {} : { server: { pushes: 'refuse' } },
    });
    const member = { place, instance: await place.start() };
    members.push(member);
    return member;
  };
  const leave = async (member: Member): Promise<void> => {
    members.splice(members.indexOf(member), 1);
    expect((await member.instance.stop()).code).toBe(0);
  };

  beforeAll(async () => {
    [world, qdrant] = await Promise.all([startWorld(), startQdrant()]);
    const first = await join();
    await first.instance.ready(60_000);
    await join();
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await qdrant?.[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    load = new Load(world.sql, { ...LOAD, seed: (seed += 1) }).start();
  });
  afterEach(() => load.stop());

  const theRest = async (): Promise<void> => {
    await load.stop();
    expect(members.map(({ instance }) => instance.run.child.exitCode)).toEqual(members.map(() => null));
    const [{ place, instance }] = members as [Member];
    await expectTrue(world, place, instance);
  };

  it('two share the partitions', async () => {
    await sleep(2 * UNDER_LOAD_MS);
    await theRest();
  });

  it('four join and leave under load', async () => {
    const third = await join();
    await sleep(UNDER_LOAD_MS);
    const fourth = await join();
    await sleep(UNDER_LOAD_MS);
    await leave(third);
    await sleep(UNDER_LOAD_MS);
    await leave(fourth);
    await theRest();
  });

  it('one is killed, and the other takes over', async () => {
    await sleep(UNDER_LOAD_MS);
    const [, second] = members as [Member, Member];
    await second.instance.kill();
    await sleep(FROZEN_MS);
    second.instance = await second.place.start();
    await sleep(UNDER_LOAD_MS);
    await theRest();
  });

  it('one is frozen until its partitions are another’s, and comes back in the middle of its writes', async () => {
    const [, second] = members as [Member, Member];
    for (let n = 0; n < 2; n += 1) {
      await sleep(UNDER_LOAD_MS);
      second.instance.run.child.kill('SIGSTOP');
      await sleep(FROZEN_MS);
      second.instance.run.child.kill('SIGCONT');
    }
    await sleep(UNDER_LOAD_MS);
    await theRest();
  });

  it('the broker is killed under all of them', async () => {
    await sleep(UNDER_LOAD_MS);
    await world.kafka.kill9();
    await world.kafka.start();
    await sleep(UNDER_LOAD_MS);
    await theRest();
  });
});
