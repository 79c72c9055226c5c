import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance, Place } from '../e2e/support/instance.ts';
import { until } from '../e2e/support/process.ts';
import { expectTrue, expectVerified } from './support/settled.ts';
import { caughtUp, type Verdict } from './support/verdict.ts';
import { startWorld, type World } from './support/world.ts';

const ROWS = 200;
const TOPIC = 'app.public.articles';
const SEED = `
  INSERT INTO articles (slug, title, body)
    SELECT 'seed-' || n, 'Seed ' || n, 'Seed article number ' || n || ' says ' || md5(n::text) FROM generate_series(1, ${ROWS}) n;
  -- Beyond what a page holds: kept out of line, and left out of changes that do not touch it.
  INSERT INTO articles (slug, title, body)
    SELECT 'large', 'Large', 'Largeword. ' || string_agg(md5(n::text), E'.\\n\\n') FROM generate_series(1, 2000) n;`;

describe('PostgreSQL, Debezium, Kafka, Freshet', () => {
  let world: World;
  let place: Place;
  let instance: Instance;
  beforeAll(async () => {
    world = await startWorld({ seed: SEED });
    place = world.place({ index: { engine: 'sqlite' } });
    instance = await place.start();
    await instance.ready(60_000);
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const texts = async (query: string): Promise<string[]> =>
    (await instance.search(query, { limit: 3 })).data.map(({ content }) => content.map(({ text }) => text).join(''));
  const slugs = async (query: string): Promise<unknown[]> =>
    (await instance.search(query, { limit: 3 })).data.map(({ attributes }) => attributes['slug']);
  const records = async (): Promise<number> => {
    const client = new kafkajs.Kafka({ brokers: [...world.kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await client.connect();
    const offsets = await client.fetchTopicOffsets(TOPIC);
    await client.disconnect();
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  };

  it('indexes what the snapshot finds', async () => {
    const { documents } = await expectTrue(world, place, instance);
    expect(documents).toBeGreaterThan(ROWS);
    expect(await slugs('Seed article number 77')).toContain('seed-77');
  });

  it('follows inserts, updates and deletes', async () => {
    await world.sql.run(
      "INSERT INTO articles (slug, title, body) VALUES ('new', 'New', 'A newcomer called Quincunx.')",
    );
    await world.sql.run("UPDATE articles SET body = 'Now it is about Zeugma.' WHERE slug = 'seed-1'");
    await world.sql.run("DELETE FROM articles WHERE slug = 'seed-2'");
    await world.sql.run("UPDATE articles SET published = false WHERE slug = 'seed-3'");
    await expectTrue(world, place, instance);
    expect(await slugs('Quincunx')).toContain('new');
    expect(await slugs('Zeugma')).toContain('seed-1');
    expect(await slugs('Seed article number 2')).not.toContain('seed-2');
    expect(await slugs('Seed article number 3')).not.toContain('seed-3');
  });

  it('keeps a large value that a change left alone', async () => {
    await world.sql.run("UPDATE articles SET title = 'Large, renamed' WHERE slug = 'large'");
    await expectTrue(world, place, instance);
    expect(await slugs('Largeword')).toContain('large');
    expect((await texts('debezium unavailable value')).join()).not.toContain('__debezium_unavailable_value');
  });

  it('moves a document whose key changes, its large value included', async () => {
    await world.sql.run("UPDATE articles SET id = id + 100000 WHERE slug IN ('seed-4', 'large')");
    await expectTrue(world, place, instance);
    expect(await slugs('Largeword')).toContain('large');
  });

  it('folds many changes of one row inside one transaction', async () => {
    await world.sql.run(`
      BEGIN;
      UPDATE articles SET body = 'First draft.' WHERE slug = 'seed-5';
      DELETE FROM articles WHERE slug = 'seed-5';
      INSERT INTO articles (slug, title, body) VALUES ('seed-5', 'Again', 'Third draft, the one that Xylograph counts.');
      COMMIT;`);
    await expectTrue(world, place, instance);
    expect(await slugs('Xylograph')).toContain('seed-5');
  });

  it('goes on through added and dropped columns', async () => {
    await world.sql.run('ALTER TABLE articles ADD COLUMN reviewer text');
    await world.sql.run("UPDATE articles SET reviewer = 'kim', body = 'Reviewed by Yttrium.' WHERE slug = 'seed-6'");
    await world.sql.run('ALTER TABLE articles DROP COLUMN author_email');
    await world.sql.run("UPDATE articles SET body = 'Written without an author: Vellichor.' WHERE slug = 'seed-7'");
    await expectTrue(world, place, instance);
    expect(await slugs('Yttrium')).toContain('seed-6');
    expect(await slugs('Vellichor')).toContain('seed-7');
  });

  it('takes an incremental snapshot, asked for by a signal, while rows change', async () => {
    const before = await records();
    await world.sql.run(
      `INSERT INTO debezium_signal VALUES ('again', 'execute-snapshot', '{"data-collections": ["public.articles"], "type": "INCREMENTAL"}')`,
    );
    let changes = 0;
    await until(
      async () => {
        await world.sql.run('UPDATE articles SET body = $1 WHERE slug = $2', [
          `Changed meanwhile, ${(changes += 1)}.`,
          `seed-${10 + (changes % 50)}`,
        ]);
        return (await records()) - before > ROWS + changes;
      },
      'the reads of the snapshot',
      60_000,
    );
    await expectTrue(world, place, instance);
  });

  it('says that it is fresh although nothing changes: heartbeats carry the time', async () => {
    await caughtUp(world, instance);
    const quietSince = Date.now();
    const asOf = async (): Promise<number> => {
      const { body } = await instance.call<{ asOf: string | null }>('GET', '/v1/freshness');
      return body.asOf === null ? 0 : Date.parse(body.asOf);
    };
    await until(async () => (await asOf()) > quietSince, 'a heartbeat after the last change', 30_000);
    // What is claimed may not be ahead of the truth.
    expect(await asOf()).toBeLessThanOrEqual(Date.now());
  });

  it('verifies against the topic where it has no database', async () => {
    const alone = world.place({
      index: { engine: 'sqlite' },
      source: { lookup: undefined, group: 'freshet-alone' },
      more: { deadLetters: { store: 'state' } },
    });
    const other = await alone.start();
    await other.ready(60_000);
    await caughtUp(world, other);
    const { value } = await alone.json<Verdict>('verify');
    expect(value).toMatchObject({ missing: 0, stale: 0, ghost: 0, duplicate: 0 });
    expect(value.comparedWith.find(({ source }) => source === 'help')?.origin).toMatch(/topic/);
    // The row that was renamed and moved without its large value could not be looked up; the incremental snapshot brought it again, whole.
    expect((await alone.json('dlq', 'list')).value).toMatchObject({ data: [] });
    await other.stop();
  });

  it('empties the index with its table, and fills it again', async () => {
    await world.sql.run('TRUNCATE articles');
    await world.sql.run(
      "INSERT INTO articles (slug, title, body) VALUES ('after', 'After', 'The first one after the flood: Petrichor.')",
    );
    const { documents } = await expectTrue(world, place, instance);
    expect(documents).toBe(2);
    expect(await slugs('Petrichor')).toContain('after');
  });

  it('starts again where it was, and reads nothing twice into the index', async () => {
    await instance.stop();
    await world.sql.run("UPDATE articles SET body = 'Written while it was away: Apricity.' WHERE slug = 'after'");
    instance = await place.start();
    await instance.ready(60_000);
    await expectTrue(world, place, instance);
    expect(await slugs('Apricity')).toContain('after');
    await expectVerified(place);
  });
});
