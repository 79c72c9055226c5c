import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { parseCondition } from '../../src/cli/commands/search.ts';
import { dataDirCheck, nodeCheck, portCheck, spaceCheck } from '../../src/cli/doctor-checks.ts';
import { formatAge, formatBytes, formatEta, formatMs, oneLine, table, truncate } from '../../src/cli/format.ts';
import { createProgress } from '../../src/cli/progress.ts';
import { snippet } from '../../src/cli/snippet.ts';
import { loadConfig } from '../../src/config/index.ts';
import { temporaryFolder } from './fakes.ts';

describe('Formats', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [999.7, '1.0 s'],
    [3_240, '3.2 s'],
    [12_300, '12 s'],
    [59_800, '1 min'],
    [3_600_000, '1 h'],
    [172_800_000, '2 days'],
    [-5, '0 ms'],
  ])('%s ms is "%s"', (ms, text) => {
    expect(formatMs(ms)).toBe(text);
  });

  it('ages, sizes and times left', () => {
    expect(formatAge(1_000, 900)).toBe('just now');
    expect(formatAge(1_000, 13_000)).toBe('12 s ago');
    expect([formatBytes(999), formatBytes(3_100_000), formatBytes(999_600)]).toEqual(['999 B', '3.1 MB', '1.0 MB']);
    expect([formatEta(0.2), formatEta(69), formatEta(3_845)]).toEqual(['1s', '1m 09s', '1h 04m']);
  });

  it('text is one safe line, cut between characters', () => {
    expect(oneLine(' a\n\tb\u001b]0;x\u0007 c\u202e ')).toBe('a b ]0;x c');
    expect(truncate('ab😀cd', 4)).toBe('ab…');
    expect(truncate('abcd', 4)).toBe('abcd');
  });

  it('tables are aligned by what is seen, not by colour codes', () => {
    const cell = (plain: string) => ({ plain, shown: `<${plain}>` });
    expect(
      table([
        [cell('a'), cell('b')],
        [cell('long'), cell('c')],
      ]),
    ).toBe('<a>     <b>\n<long>  <c>');
  });
});

describe('Snippets', () => {
  const text = `${'Nothing to see here. '.repeat(20)}Returned items are refunded in full. ${'More of it. '.repeat(20)}`;

  it('show the part that answers, and what matched', () => {
    const { text: shown, matches } = snippet(text, 'refund returned items', 120);
    expect(shown.length).toBeLessThanOrEqual(120);
    expect(matches.map(({ start, end }) => shown.slice(start, end))).toEqual(['Returned', 'items', 'refunded']);
  });

  it('begin at the beginning when nothing matches', () => {
    expect(snippet(text, 'zebra', 40)).toEqual({ text: truncate(text, 40), matches: [] });
    expect(snippet('short', 'x', 40).text).toBe('short');
  });
});

describe('Conditions of --where', () => {
  it.each([
    ['lang=en', { key: 'lang', op: 'eq', value: 'en' }],
    ['n>=10', { key: 'n', op: 'gte', value: 10 }],
    ['n < 1.5', { key: 'n', op: 'lt', value: 1.5 }],
    ['live=true', { key: 'live', op: 'eq', value: true }],
    ['zip="01234"', { key: 'zip', op: 'eq', value: '01234' }],
    ['a!=b=c', { key: 'a', op: 'ne', value: 'b=c' }],
  ])('%s', (text, condition) => {
    expect(parseCondition(text)).toEqual(condition);
  });
});

describe('Progress', () => {
  it('tells rate and time left on a terminal, on one line', () => {
    let written = '';
    let now = 0;
    const output = { write: (text: string) => (written += text), isTTY: true };
    const meter = createProgress({ output, colours: createColors(false), now: () => now, silent: false });
    meter.update({ phase: 'comparing', done: 0, total: 5_000 });
    now = 50;
    meter.update({ phase: 'comparing', done: 10, total: 5_000 }); // too soon to redraw
    now = 1_000;
    meter.update({ phase: 'comparing', done: 1_000, total: 5_000 });
    meter.finish();
    expect(written.split('\r\u001b[2K').slice(1)).toEqual([
      'comparing  0 / 5,000 (0 %)',
      'comparing  1,000 / 5,000 (20 %)  1,000/s  4s left',
      '',
    ]);
  });

  it('writes a line now and then elsewhere', () => {
    let written = '';
    let now = 0;
    const meter = createProgress({
      output: { write: (text) => (written += text) },
      colours: createColors(false),
      now: () => now,
      silent: false,
    });
    for (; now <= 10_000; now += 100) meter.update({ phase: 'indexing', done: now, total: undefined });
    meter.finish();
    expect(written).toBe('indexing  0\nindexing  5,000  1,000/s\nindexing  10,000  1,000/s\n');
  });
});

describe('Doctor', () => {
  const signal = new AbortController().signal;

  it('knows the oldest Node that will do', async () => {
    expect(await nodeCheck('20.19.0').run(signal)).toMatchObject({ status: 'ok' });
    expect(await nodeCheck('24.1.0').run(signal)).toMatchObject({ status: 'ok' });
    expect(await nodeCheck('20.18.3').run(signal)).toMatchObject({
      status: 'fail',
      mend: 'Install Node 20.19 or newer.',
    });
  });

  it('looks at the folder without making it', async () => {
    using folder = temporaryFolder();
    const wanted = join(folder.path, 'a', 'b');
    expect(await dataDirCheck(wanted).run(signal)).toEqual({ status: 'ok', detail: `${wanted} (will be made)` });
    expect(await spaceCheck(wanted).run(signal)).toHaveProperty('status');
    expect(await dataDirCheck(folder.path).run(signal)).toEqual({ status: 'ok', detail: folder.path });
  });

  it('tells a taken port from its own instance', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { config } = loadConfig({ cwd: '/x', env: { FRESHET_PORT: String(port) }, readFile: () => undefined });
    const taken = await portCheck(config, undefined).run(signal);
    const own = await portCheck(config, { api: `http://127.0.0.1:${port}`, pid: 1, adminToken: undefined }).run(signal);
    await new Promise((resolve) => server.close(resolve));
    expect(taken).toMatchObject({ status: 'fail', detail: expect.stringContaining('EADDRINUSE') as string });
    expect(own).toMatchObject({ status: 'ok' });
    expect(await portCheck(config, undefined).run(signal)).toMatchObject({ status: 'ok' });
  });
});
