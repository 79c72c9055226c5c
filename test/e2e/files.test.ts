import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { until } from './support/process.ts';

let place: Place;
let instance: Instance;

const path = (name: string): string => join(place.folder, 'notes', name);
const write = (name: string, text: string): void => writeFileSync(path(name), text);

interface Found {
  readonly uri: unknown;
  readonly text: string;
}

async function search(query: string): Promise<Found[]> {
  const { data } = await instance.search(query);
  return data.map(({ attributes, content }) => ({ uri: attributes.uri, text: content[0]?.text ?? '' }));
}

/** A file has no transaction to wait for: the watcher notices it a moment later. */
const eventually = (query: string, holds: (found: readonly Found[]) => boolean): Promise<true> =>
  until(async () => holds(await search(query)) || undefined, `the right answer to ${query}`);

beforeAll(async () => {
  place = makePlace({ sources: { notes: { type: 'files', path: './notes', exclude: ['drafts/**'] } } });
  mkdirSync(path('drafts'), { recursive: true });
  write('returns.md', '# Returns\n\nA returned kettle is tested first.');
  write(
    'page.html',
    '<html><head><title>Page</title></head><body><p>The samovar hums.</p><script>let urn;</script></body></html>',
  );
  write('drafts/secret.md', 'The percolator is a draft.');
  write('picture.png', 'The teapot is no text.');
  instance = await place.start();
  await instance.ready();
});

afterAll(async () => {
  await instance?.stop();
  place?.remove();
});

describe('a folder of files', () => {
  it('is searchable once the instance is ready; what is excluded, and what is no text, is not', async () => {
    expect((await search('kettle'))[0]).toEqual({
      uri: 'file:returns.md',
      text: expect.stringContaining('tested first'),
    });
    expect((await search('samovar'))[0]).toEqual({
      uri: 'file:page.html',
      text: expect.stringContaining('samovar hums'),
    });
    const all = (await search('kettle samovar percolator teapot')).map(({ uri }) => uri);
    expect(all.toSorted()).toEqual(['file:page.html', 'file:returns.md']);
  });

  it('is followed: an edited, a new, a renamed and a deleted file', async () => {
    write('returns.md', '# Returns\n\nA returned kettle is boiled twice.');
    await eventually('kettle', ([first]) => first?.text.includes('boiled twice') === true);

    write('new.txt', 'The cafetière is new.');
    await eventually('cafetière', ([first]) => first?.uri === 'file:new.txt');

    renameSync(path('new.txt'), path('renamed.txt'));
    await eventually('cafetière', (found) => found.map(({ uri }) => uri).includes('file:renamed.txt'));
    await eventually('cafetière', (found) => !found.map(({ uri }) => uri).includes('file:new.txt'));

    rmSync(path('renamed.txt'));
    await eventually('cafetière', (found) => !found.some(({ text }) => text.includes('cafetière')));
  });

  it('hides personal data in a file', async () => {
    write('contact.md', 'The tea master answers at tea.master@example.org all day.');
    await eventually('tea master', ([first]) => first?.text.includes('tea master') === true);
    expect(JSON.stringify(await search('tea master'))).not.toContain('tea.master@');
  });

  it('is compared with what changed while the instance was down', async () => {
    await instance.stop();
    rmSync(path('page.html'));
    write('while-down.md', 'The thermos was filled at night.');
    instance = await place.start();
    await instance.ready();
    await eventually('thermos', ([first]) => first?.uri === 'file:while-down.md');
    await eventually('samovar', (found) => !found.some(({ uri }) => uri === 'file:page.html'));
    expect(await place.json('verify')).toMatchObject({
      code: 0,
      value: { documents: 3, missing: 0, stale: 0, ghost: 0, duplicate: 0 },
    });
  });
});
