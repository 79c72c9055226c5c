import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cached, stackCache, type Fetch } from '../../scripts/stack/cache.ts';

describe('the cache of the stack', () => {
  let folder: string;
  const before = process.env['FRESHET_CACHE_DIR'];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'freshet-cache-test-'));
    process.env['FRESHET_CACHE_DIR'] = folder;
  });
  afterEach(() => {
    if (before === undefined) delete process.env['FRESHET_CACHE_DIR'];
    else process.env['FRESHET_CACHE_DIR'] = before;
    rmSync(folder, { recursive: true, force: true });
  });

  let fills: number;
  const fetch = (overrides: Partial<Fetch> = {}): Fetch => ({
    name: 'thing',
    pin: '1.0',
    fill: async (target) => {
      fills += 1;
      writeFileSync(join(target, 'content'), 'whole');
    },
    ...overrides,
  });
  const silent = (): void => undefined;
  beforeEach(() => {
    fills = 0;
  });

  it('fetches once, also when asked twice at once', async () => {
    const [first, second] = await Promise.all([cached(fetch(), silent), cached(fetch(), silent)]);
    expect(await cached(fetch(), silent)).toBe(first);
    expect(second).toBe(first);
    expect(fills).toBe(1);
    expect(readFileSync(join(first, 'content'), 'utf8')).toBe('whole');
  });

  it('fetches anew under another pin', async () => {
    const first = await cached(fetch(), silent);
    expect(await cached(fetch({ pin: '1.1' }), silent)).not.toBe(first);
    expect(fills).toBe(2);
  });

  it('leaves nothing that looks complete when a download breaks off', async () => {
    const broken = fetch({
      fill: async (target) => {
        writeFileSync(join(target, 'content'), 'ha');
        throw new Error('the line went dead');
      },
    });
    await expect(cached(broken, silent)).rejects.toThrow('the line went dead');
    expect(readdirSync(stackCache())).toEqual([]);
    const path = await cached(fetch(), silent);
    expect(readFileSync(join(path, 'content'), 'utf8')).toBe('whole');
  });

  it('takes what another process put in place meanwhile', async () => {
    const final = await cached(fetch(), silent);
    rmSync(final, { recursive: true });
    const slow = fetch({
      fill: async (target) => {
        writeFileSync(join(target, 'content'), 'slow');
        mkdirSync(final);
        writeFileSync(join(final, 'content'), 'fast');
      },
    });
    expect(await cached(slow, silent)).toBe(final);
    expect(readFileSync(join(final, 'content'), 'utf8')).toBe('fast');
    expect(readdirSync(stackCache())).toHaveLength(1);
  });
});
