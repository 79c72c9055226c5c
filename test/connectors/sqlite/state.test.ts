import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteState } from '../../../connectors/sqlite/state.ts';
import { deadLetter, describeDeadLetters } from '../../contracts/dead-letters.contract.ts';
import { testFolder, type TestFolder } from './support.ts';

const KEY = new Uint8Array(32).fill(7);

describeDeadLetters('sqlite', async () => {
  const folder = testFolder();
  const state = await openSqliteState({ path: folder.file('state.db'), sealKey: KEY });
  return {
    deadLetters: state.deadLetters,
    [Symbol.asyncDispose]: async () => {
      await state[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
});

describe('the state file', () => {
  let folder: TestFolder;
  beforeEach(() => {
    folder = testFolder();
  });
  afterEach(() => folder[Symbol.dispose]());
  const open = (sealKey = KEY) => openSqliteState({ path: folder.file('state.db'), sealKey });

  it('keeps dead letters across a restart', async () => {
    await using first = await open();
    await first.deadLetters.put(deadLetter());
    await first[Symbol.asyncDispose]();
    await using second = await open();
    expect(await second.deadLetters.count()).toBe(1);
    expect((await second.deadLetters.list({ limit: 1 }))[0]?.key).toBe('["ann@example.com"]');
  });

  it('holds no row key in the clear', async () => {
    await using state = await open();
    await state.deadLetters.put(deadLetter());
    await state[Symbol.asyncDispose]();
    expect(readFileSync(folder.file('state.db')).includes('ann@example.com')).toBe(false);
  });

  it('refuses another seal key at once, and says which one it wants', async () => {
    await using first = await open();
    await first[Symbol.asyncDispose]();
    await expect(open(new Uint8Array(32).fill(8))).rejects.toMatchObject({ code: 'STATE_SEAL_KEY', kind: 'fatal' });
    await expect(open(new Uint8Array(16))).rejects.toMatchObject({ code: 'STATE_SEAL_KEY', kind: 'fatal' });
  });
});
