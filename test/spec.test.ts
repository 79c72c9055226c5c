import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

describe('SPEC.md', () => {
  it('names only tests that exist, and at least one for every invariant', () => {
    const text = readFileSync(join(ROOT, 'SPEC.md'), 'utf8');
    const sections = text
      .split(/^## /m)
      .slice(1)
      .filter((section) => /^\d+\./.test(section));
    expect(sections.length).toBeGreaterThanOrEqual(10);
    for (const section of sections) {
      const tests = section.match(/test\/[\w./-]+\.(?:test|contract)\.ts/g) ?? [];
      expect(tests, section.split('\n')[0]).not.toEqual([]);
      for (const test of tests) expect(existsSync(join(ROOT, test)), test).toBe(true);
    }
  });
});
