import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/api/options.ts';
import { PROBLEMS } from '../../src/api/problems.ts';
import { openServer } from './fakes.ts';

const text = await readFile(new URL('../../docs/api.md', import.meta.url), 'utf8');

it('docs/api.md has every code of the table beside its status', () => {
  for (const [code, { status }] of Object.entries(PROBLEMS)) {
    const row = text.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${code}\``));
    expect({ code, row }).toEqual({ code, row: expect.stringContaining(String(status)) });
  }
});

it('docs/api.md has every address of the API', async () => {
  await using server = await openServer();
  const { paths } = (await server.app.inject('/openapi.json')).json<{ paths: Record<string, unknown> }>();
  const addresses = Object.keys(paths).map((path) => path.split('{', 1)[0] ?? path);
  for (const address of addresses) expect(text).toContain(address);
});

it('docs/api.md has the limits as they are', () => {
  expect(text).toContain(`${DEFAULT_LIMITS.bodyBytes / 1e6} MB`);
  expect(text).toContain(`${DEFAULT_LIMITS.requestsPerMinute.toLocaleString('en')} per minute`);
  expect(text).toContain(`at most ${DEFAULT_LIMITS.waitMsMax / 1000} s`);
  expect(text).toContain(`${DEFAULT_LIMITS.batchDocumentsMax.toLocaleString('en')} |`);
});
