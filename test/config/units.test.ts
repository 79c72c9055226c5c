import { describe, expect, it } from 'vitest';
import { didYouMean, editDistance, suggest } from '../../src/config/suggest.ts';
import { parseTemplate } from '../../src/config/template.ts';
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../src/config/units.ts';

describe('Units', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2 h', 7_200_000],
    ['7d', 604_800_000],
    ['250', 250],
    ['-1s', undefined],
    ['1w', undefined],
    ['', undefined],
  ])('reads the duration %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    ['10MB', 10_000_000],
    ['1GiB', 1_073_741_824],
    ['512kb', 512_000],
    ['1.5KiB', 1_536],
    ['7b', 7],
    ['42', 42],
    ['10 MBs', undefined],
  ])('reads the size %s', (text, size) => {
    expect(parseBytes(text)).toBe(size);
  });

  it('writes values that read back as the same', () => {
    for (const ms of [0, 1, 1_500, 60_000, 90_000, 3_600_000]) expect(parseDuration(formatDuration(ms))).toBe(ms);
    for (const size of [0, 1, 1_024, 20e6, 1e9]) expect(parseBytes(formatBytes(size))).toBe(size);
    expect([formatDuration(604_800_000), formatBytes(64e6)]).toEqual(['7d', '64MB']);
  });
});

describe('Templates', () => {
  it('are literal text and columns', () => {
    expect(parseTemplate('{title}: {{x}} {body}{title}')).toEqual({
      ok: true,
      parts: [{ column: 'title' }, { literal: ': {x} ' }, { column: 'body' }, { column: 'title' }],
      columns: ['title', 'body'],
    });
  });
});

describe('Suggestions', () => {
  it('find the nearest name', () => {
    expect(editDistance('prot', 'port')).toBe(1);
    expect(suggest('max_tokens', ['maxTokens', 'model'])).toBe('maxTokens');
    expect(suggest('conection', ['connection', 'publication'])).toBe('connection');
  });

  it('are not made up', () => {
    expect(suggest('overlap', ['maxTokens'])).toBeUndefined();
    expect(didYouMean('x', [])).toBe('');
  });
});
