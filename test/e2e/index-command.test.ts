import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makePlace, type Instance } from './support/instance.ts';
import { until } from './support/process.ts';

interface Status {
  readonly data: readonly {
    readonly name: string;
    readonly role: string;
    readonly built: boolean | null;
    readonly fed: boolean;
  }[];
  readonly canaryPercent: number;
  readonly switchBlockers: readonly string[];
}

const place = makePlace({
  embedder: { engine: 'hashing' },
  sources: { notes: { type: 'files', path: './notes' } },
  candidate: { chunker: { maxTokens: 32 } },
});
afterAll(() => place.remove());

const note = (name: string, text: string): void => writeFileSync(join(place.folder, 'notes', `${name}.md`), text);
const status = async (): Promise<Status> => (await place.json<Status>('index', 'status')).value;
const roles = async (): Promise<Record<string, string>> =>
  Object.fromEntries((await status()).data.map(({ name, role }) => [role, name]));
const candidateBuilt = () =>
  until(async () => (await status()).data.find(({ role }) => role === 'candidate')?.built === true, 'the candidate');
const clean = async (...args: readonly string[]): Promise<void> => {
  expect(await place.json('verify', ...args)).toMatchObject({
    code: 0,
    value: { missing: 0, stale: 0, ghost: 0, duplicate: 0 },
  });
};

/** Killed as the kernel does it, and started again. */
async function afterKill(instance: Instance): Promise<Instance> {
  await instance.kill();
  const next = await place.start();
  await next.ready();
  return next;
}

it('the whole way from one index to another and back survives a kill -9 in every state', async () => {
  mkdirSync(join(place.folder, 'notes'));
  for (let at = 0; at < 30; at += 1)
    note(`n${at}`, `Note ${at} about lanterns. ${'It goes on for a while. '.repeat(20)}`);
  let instance = await place.start();
  instance = await afterKill(instance); // While the candidate is being built.
  await instance.ready();
  await candidateBuilt();
  const { live: first, candidate: second } = await roles();

  note('edited', 'The lantern is green.');
  await place.cli('index', 'canary', '100');
  instance = await afterKill(instance); // In canary, with an edit under way.
  await candidateBuilt();
  expect((await status()).canaryPercent).toBe(100);
  await until(
    async () =>
      (await instance.search('green lantern', { limit: 1 })).data[0]?.content[0]?.text === 'The lantern is green.',
    'the edit',
  );
  await until(async () => ((await instance.search('lantern')) as { index?: string }).index === second, 'the canary');
  await place.cli('index', 'canary', '0');

  const switched = await place.cli('index', 'switch');
  expect(switched.stdout).toContain(`${second} is the live index now.`);
  expect(switched.code).toBe(0);
  instance = await afterKill(instance); // Right after the switch.
  expect(await roles()).toEqual({ live: second, previous: first });
  note('edited', 'The lantern is red.');
  await until(
    async () =>
      (await instance.search('red lantern', { limit: 1 })).data[0]?.content[0]?.text === 'The lantern is red.',
    'the edit',
  );

  const back = await place.cli('index', 'rollback');
  expect(back.stdout).toContain(`${first} is the live index again.`);
  expect((await instance.search('red lantern', { limit: 1 })).data[0]?.content[0]?.text).toBe('The lantern is red.');
  instance = await afterKill(instance); // Right after the rollback.
  expect(await roles()).toEqual({ live: first, candidate: second });
  await clean();
  await clean('--index', 'v2');

  expect((await place.cli('index', 'drop', 'v2')).code).toBe(0);
  expect(await roles()).toEqual({ live: first });
  expect((await place.cli('index', 'drop', 'v1')).stderr).toContain('is the live one');
  await instance.stop();
  // Without an instance the command opens the folder itself. "candidate:" is still there, so another one begins.
  const alone = await roles();
  expect(alone.live).toBe(first);
  expect(alone.candidate).toMatch(/^v\d+-/);
  expect(alone.candidate).not.toBe(second);
}, 120_000);
