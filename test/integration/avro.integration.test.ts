import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance, Place } from '../e2e/support/instance.ts';
import { expectTrue } from './support/settled.ts';
import { caughtUp } from './support/verdict.ts';
import { SHORT_SESSIONS, startWorld, type World } from './support/world.ts';

describe('Avro with a schema registry', () => {
  let world: World;
  let place: Place;
  let instance: Instance;
  beforeAll(async () => {
    world = await startWorld({ avro: true });
    place = world.place({ index: { engine: 'sqlite' }, source: { ...SHORT_SESSIONS, format: 'avro' } });
    instance = await place.start();
    await instance.ready(60_000);
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const slugs = async (query: string): Promise<unknown[]> =>
    (await instance.search(query, { limit: 3 })).data.map(({ attributes }) => attributes['slug']);

  it('indexes what the snapshot finds, and follows changes', async () => {
    await world.sql.run(
      "UPDATE articles SET body = 'A new label is free within the continent: Quincunx.' WHERE slug = 'returns'",
    );
    await world.sql.run("DELETE FROM articles WHERE slug = 'loyalty'");
    await world.sql.run("UPDATE articles SET id = id + 1000 WHERE slug = 'shipping'");
    await expectTrue(world, place, instance);
    expect(await slugs('Quincunx')).toContain('returns');
  });

  it('goes on while the schema evolves', async () => {
    await world.sql.run('ALTER TABLE articles ADD COLUMN rating numeric(10, 2) DEFAULT 1.5, ADD COLUMN reviewed date');
    await world.sql.run(
      "UPDATE articles SET rating = 4.25, reviewed = '2026-11-20', body = 'Rated by Zeugma.' WHERE slug = 'warranty'",
    );
    await world.sql.run('ALTER TABLE articles DROP COLUMN author_email');
    await world.sql.run(
      "INSERT INTO articles (slug, title, body) VALUES ('late', 'Late', 'After the drop: Vellichor.')",
    );
    await expectTrue(world, place, instance);
    expect(await slugs('Zeugma')).toContain('warranty');
    expect(await slugs('Vellichor')).toContain('late');
  });

  it('keeps a large value that a change left alone', async () => {
    await world.sql.run(
      "INSERT INTO articles (slug, title, body) SELECT 'large', 'Large', 'Largeword. ' || string_agg(md5(n::text), E'.\\n\\n') FROM generate_series(1, 2000) n",
    );
    await caughtUp(world, instance);
    await world.sql.run("UPDATE articles SET title = 'Large, renamed' WHERE slug = 'large'");
    await expectTrue(world, place, instance);
    expect(await slugs('Largeword')).toContain('large');
  });

  it('waits for a registry that is away, and dead-letters nothing', async () => {
    await instance.stop();
    const { registry } = world;
    await registry?.stop();
    instance = await place.start();
    await world.sql.run(
      "UPDATE articles SET body = 'Written while no schema could be had: Apricity.' WHERE slug = 'returns'",
    );
    await registry?.start();
    await instance.ready(60_000);
    await expectTrue(world, place, instance);
    expect(await slugs('Apricity')).toContain('returns');
    expect((await place.json('dlq', 'list')).value).toMatchObject({ data: [] });
  });
});
