import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type Cluster } from './support/cluster.ts';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { until } from './support/process.ts';

const ROWS = 2_000;
const CLEAN = { missing: 0, stale: 0, ghost: 0, duplicate: 0, problems: [] };

const SCHEMA = `
  CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL);
  INSERT INTO notes SELECT n, 'Note number ' || n || E' of the first copy.\\n\\nIts second paragraph says ' || md5(n::text)
    FROM generate_series(1, ${ROWS}) n;`;

let cluster: Cluster;
let place: Place;
let instance: Instance;

const texts = (query: string, token: string): Promise<string[]> => instance.textsAt(token, query, { limit: 3 });

interface Copy {
  readonly ready: boolean;
  readonly index: { readonly documents: number };
}
const copied = async (): Promise<Copy> => (await instance.call<Copy>('GET', '/v1/freshness')).body;

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.commit(SCHEMA);
  place = makePlace({
    sources: {
      app: { type: 'postgres', connection: cluster.connectionString, tables: { notes: { text: '{body}' } } },
    },
  });
  instance = await place.start();
});

afterAll(async () => {
  await instance?.kill();
  await cluster?.remove();
  place?.remove();
});

describe('Freshet killed with SIGKILL', () => {
  it('in the middle of the first copy carries on with it, edits made meanwhile included', async () => {
    const seen = await until(async () => {
      const state = await copied();
      return state.index.documents > 50 || state.ready ? state : undefined;
    }, 'the first documents');
    await instance.kill();
    // Otherwise the copy was over before anybody could look, and this test shows nothing.
    expect(seen.ready).toBe(false);
    await cluster.commit(
      "UPDATE notes SET body = 'Edited while it was dead.' WHERE id = 7; DELETE FROM notes WHERE id = 8",
    );

    instance = await place.start();
    await instance.ready();
    expect(await place.json('verify')).toMatchObject({ code: 0, value: { ...CLEAN, documents: ROWS - 1 } });
  }, 120_000);

  it('in the middle of 1,000 edits loses none, repeats none and keeps none twice', async () => {
    const client = await cluster.client();
    const edit = async (n: number): Promise<void> => {
      const id = 1 + ((n * 37) % ROWS);
      if (n % 10 === 0) await client.query('DELETE FROM notes WHERE id = $1', [id]);
      else if (n % 10 === 1) await client.query('INSERT INTO notes VALUES ($1, $2)', [ROWS + n, `Added by edit ${n}.`]);
      else await client.query('UPDATE notes SET body = $2 WHERE id = $1', [id, `Rewritten by edit ${n}.`]);
    };
    for (let n = 0; n < 400; n += 1) await edit(n);
    const killed = instance.kill();
    for (let n = 400; n < 700; n += 1) await edit(n);
    await killed;
    instance = await place.start();
    // Edits go on while it recovers.
    for (let n = 700; n < 1_000; n += 1) await edit(n);
    const lsn = await cluster.commit('INSERT INTO notes VALUES (0, $1)', ['The thousandth edit and one.']);
    expect((await texts('thousandth edit', lsn))[0]).toBe('The thousandth edit and one.');
    expect(await place.json('verify')).toMatchObject({ code: 0, value: CLEAN });
  }, 120_000);

  it('again and again, at any moment, ends in the same state', async () => {
    for (let round = 0; round < 2; round += 1) {
      await cluster.commit('UPDATE notes SET body = $1 || id WHERE id % 20 = $2', [`Round ${round} of note `, round]);
      await instance.kill();
      instance = await place.start();
    }
    const lsn = await cluster.commit('DELETE FROM notes WHERE id = 0');
    expect(await texts('thousandth edit', lsn)).not.toContain('The thousandth edit and one.');
    expect(await place.json('verify')).toMatchObject({ code: 0, value: CLEAN });
  }, 120_000);
});

describe('the PostgreSQL server', () => {
  it.each([
    ['stopped in good order', () => cluster.stop()],
    ['killed in the middle of edits', () => cluster.kill()],
  ])(
    '%s: queries are answered meanwhile, and the stream goes on when it is back',
    async (how, end) => {
      const before = await cluster.commit('UPDATE notes SET body = $1 WHERE id = 11', [`Quokka before it was ${how}.`]);
      expect((await texts('quokka', before))[0]).toContain('Quokka before');
      const editing = (async () => {
        for (let n = 0; ; n += 1) {
          const client = await cluster.client();
          await client.query('UPDATE notes SET body = $2 WHERE id = $1', [100 + (n % 50), `Busy edit ${n}.`]);
        }
      })();
      // Ends with the connection.
      const edited = expect(editing).rejects.toThrow();
      await new Promise((resolve) => setTimeout(resolve, 200));
      await end();
      await edited;

      const down = await until(async () => {
        const { body } = await instance.call<{ sources: { source: string; connected: boolean }[] }>(
          'GET',
          '/v1/freshness',
        );
        return body.sources.find(({ source }) => source === 'app')?.connected === false;
      }, 'the lost connection to be reported');
      expect(down).toBe(true);
      expect((await instance.search('quokka', { limit: 1 })).data[0]?.content[0]?.text).toContain('Quokka before');
      expect(instance.run.child.exitCode).toBeNull();

      await cluster.start();
      const after = await cluster.commit('UPDATE notes SET body = $1 WHERE id = 11', [`After it was ${how}.`]);
      expect((await texts(`after it was ${how}`, after))[0]).toBe(`After it was ${how}.`);
      expect(await place.json('verify')).toMatchObject({ code: 0, value: CLEAN });
    },
    120_000,
  );
});
