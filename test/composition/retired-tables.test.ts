import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Freshet } from '../../src/composition/open.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import { openInProcess } from '../support/freshet.ts';

let folder: string;
let opened: Freshet | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'freshet-retired-'));
  for (const name of ['notes', 'memos']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'notes', 'tea.md'), 'The kettle is in the kitchen.');
});
afterEach(async () => {
  await opened?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the data folder with these folders as sources, in place of the instance before, and waits for their first copy. */
async function open(...names: readonly string[]): Promise<Freshet> {
  await opened?.close();
  const sources = Object.fromEntries(names.map((name) => [name, { type: 'files', path: join(folder, name) }]));
  opened = await openInProcess(folder, { sources });
  const { freshness } = opened.services;
  await expect.poll(async () => (await freshness.ready()).ready).toBe(true);
  return opened;
}

async function found({ services }: Freshet): Promise<readonly string[]> {
  const request = { query: 'kettle', limit: 5, tenant: DEFAULT_TENANT, mode: 'lexical' } as const;
  return (await services.search.search(request, new AbortController().signal)).hits.map((hit) => hit.text);
}

describe('a source that leaves the configuration', () => {
  it('takes its documents along, and brings them all back when it is put back', async () => {
    expect(await found(await open('notes', 'memos'))).toEqual(['The kettle is in the kitchen.']);
    expect(await found(await open('memos'))).toEqual([]);
    expect(await found(await open('notes', 'memos'))).toEqual(['The kettle is in the kitchen.']);
  });

  it('leaves nothing in an index that is rebuilt meanwhile', async () => {
    await open('notes', 'memos');
    const { services } = await open('memos');
    await services.admin.rebuild(() => undefined, new AbortController().signal);
    expect(await found(await open('notes', 'memos'))).toEqual(['The kettle is in the kitchen.']);
  });
});
