import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance, Place } from '../e2e/support/instance.ts';
import { until } from '../e2e/support/process.ts';
import { startWorld, type World } from '../integration/support/world.ts';
import { startQdrant, type QdrantServer } from '../support/qdrant/double.ts';
import { repositoryPath, text } from './compose.ts';

const page = text('docs/production.md');
const QUESTION = /-d '\{"query": "([^"]+)"\}'/.exec(page)?.[1] ?? '';
const EDIT = /"(UPDATE articles [^"]+)"/.exec(page)?.[1] ?? '';

interface Check {
  readonly name: string;
  readonly status: string;
  readonly detail: string;
}

/** What the page has a newcomer do, with the files in docker/ and real servers, only not in containers. */
describe('From docker/ to a first answer', () => {
  let world: World;
  let qdrant: QdrantServer;
  let place: Place;
  let instance: Instance;
  beforeAll(async () => {
    [world, qdrant] = await Promise.all([startWorld(), startQdrant()]);
    place = world.place({ index: { engine: 'qdrant', url: qdrant.url } });
    instance = await place.start();
    await instance.ready(60_000);
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await qdrant?.[Symbol.asyncDispose]();
  });

  const firstHit = async (): Promise<string> => {
    const [hit] = (await instance.search(QUESTION, { limit: 3 })).data;
    return hit?.content.map((part) => part.text).join('') ?? '';
  };

  it('answers the question of the page, and after the edit of the page answers it anew', async () => {
    expect(await firstHit()).toContain('30 days');
    await world.sql.run(EDIT);
    await until(async () => (await firstHit()).includes('45 days'), 'the edit is in the answer');
  });

  it('hides what is not published, and the column that is dropped', async () => {
    const { data } = await instance.search('new price list express delivery', { limit: 10 });
    expect(data.map(({ attributes }) => attributes['slug'])).not.toContain('draft-prices');
    expect(JSON.stringify((await instance.search('ines shop example', { limit: 10 })).data)).not.toContain('ines@');
  });

  it('registers the connector as often as it is told to, and says that it runs', async () => {
    const registered = await fetch(`${world.connect.url}/connectors/articles/config`);
    const file = join(place.folder, 'articles.json');
    writeFileSync(file, await registered.text());
    const run = spawnSync('sh', [repositoryPath('docker/connect/register.sh')], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], CONNECT_URL: world.connect.url, CONNECTOR_FILE: file },
    });
    expect([run.status, run.stdout, run.stderr]).toEqual([0, 'Connector articles runs.\n', '']);
  });

  it('verifies against the database', async () => {
    const { code, value } = await place.json<{ missing: number; stale: number; ghost: number }>('verify');
    expect([code, value.missing, value.stale, value.ghost]).toEqual([0, 0, 0, 0]);
  });

  it('passes the doctor', async () => {
    const { value } = await place.json<{ checks: readonly Check[] }>('doctor');
    const servers = value.checks.filter(({ name }) => /^(index|source|lookup|dead letters)/.test(name));
    expect(servers.map(({ name, status, detail }) => [name, status, status === 'ok' ? '' : detail])).toEqual([
      ['index', 'ok', ''],
      ['source help', 'ok', ''],
      ['lookup help', 'ok', ''],
      ['dead letters', 'ok', ''],
    ]);
  });
});
