import { spawnSync } from 'node:child_process';
import { appendFile, chmod, mkdir, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rowKey, tableId } from '../../../src/domain/ids.ts';
import { epochOf } from '../../../src/domain/version.ts';
import { createFilesSource } from '../../../connectors/files/index.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createFolder, shiftedClock, summaries, versions, type Folder } from './harness.ts';

let folder: Folder;
const never = new AbortController().signal;
const TABLE = tableId('kb.files');

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** File modes do not bind root: as root, the work is done as nobody. */
async function withoutRoot(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

beforeEach(async () => {
  folder = await createFolder({
    'a.md': '# Alpha\n\nfirst',
    'deep/er/b.html': '<title>Beta</title><p>second',
    'c.txt': 'third',
  });
});
afterEach(() => folder[Symbol.asyncDispose]());

describe('a files source at its start', () => {
  it('delivers every file as a row of one table', async () => {
    const run = folder.start();
    await run.settle();
    expect(summaries(run.deliveries).toSorted()).toEqual([
      '+a.md: # Alpha\n\nfirst',
      '+c.txt: third',
      '+deep/er/b.html: <title>Beta</title><p>second',
    ]);
    const event = run.deliveries
      .map(({ event }) => event)
      .find((event) => event.kind === 'row-upserted' && event.key === rowKey(['deep/er/b.html']));
    expect(event).toMatchObject({
      table: 'kb.files',
      snapshot: true,
      row: {
        path: 'deep/er/b.html',
        title: 'Beta',
        format: 'html',
        uri: 'file:deep/er/b.html',
        modifiedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      },
    });
    expect(event).not.toHaveProperty('sourcePosition');
    const freshness = await run.source.freshness();
    expect(freshness).toMatchObject({
      connected: true,
      snapshotFinished: true,
      gauges: { files_known: 3, files_pending: 0 },
    });
    expect(freshness.partitions[0]?.asOf).toBeLessThanOrEqual(Date.now());
  });

  it('numbers deliveries upwards, and each is its own position', async () => {
    const run = folder.start();
    await run.settle();
    const offsets = run.deliveries.map(({ position }) => Number(position.offset));
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(new Set(offsets).size).toBe(3);
    expect(versions(run.deliveries)).toEqual(offsets);
    expect(run.deliveries.every(({ endsPosition }) => endsPosition)).toBe(true);
  });

  it('delivers nothing again after a restart when nothing changed', async () => {
    const first = folder.start();
    await first.settle();
    await first.stop();
    const second = folder.start();
    await second.settle();
    expect(second.deliveries).toEqual([]);
    expect((await second.source.freshness()).snapshotFinished).toBe(true);
  });

  it('finds edits, new files and deletions made while it was not running', async () => {
    const first = folder.start();
    await first.settle();
    await first.stop();
    await folder.write('a.md', '# Alpha\n\nedited');
    await unlink(folder.path('c.txt'));
    await folder.write('new.md', 'new');
    const second = folder.start();
    await second.settle();
    expect(summaries(second.deliveries).toSorted()).toEqual(['+a.md: # Alpha\n\nedited', '+new.md: new', '-c.txt']);
    expect(Math.min(...versions(second.deliveries))).toBeGreaterThan(Math.max(...versions(first.deliveries)));
    expect(second.deliveries.every(({ event }) => !('snapshot' in event && event.snapshot))).toBe(true);
  });

  it('finds an edit that keeps size and modification time', async () => {
    const first = folder.start();
    await first.settle();
    await first.stop();
    await utimes(folder.path('c.txt'), 1000, 1000);
    const second = folder.start();
    await second.settle();
    await second.stop();
    await writeFile(folder.path('c.txt'), 'THIRD');
    await utimes(folder.path('c.txt'), 1000, 1000);
    const third = folder.start();
    await third.settle();
    expect(summaries(third.deliveries)).toEqual(['+c.txt: THIRD']);
  });

  it('sends what was not committed again under the same versions, and only that', async () => {
    const first = folder.start({ commits: false });
    await first.until('three rows', (deliveries) => deliveries.length === 3);
    const [committed, ...rest] = first.deliveries;
    await first.source.commit([committed!.position]);
    await first.stop();
    const second = folder.start();
    await second.settle();
    expect(summaries(second.deliveries)).toEqual(summaries(rest));
    expect(versions(second.deliveries)).toEqual(versions(rest));
  });

  it('gives a change that was overtaken before its commit a new version', async () => {
    const first = folder.start({ commits: false });
    await first.until('three rows', (deliveries) => deliveries.length === 3);
    await first.stop();
    await folder.write('a.md', 'edited meanwhile');
    await unlink(folder.path('c.txt'));
    const second = folder.start();
    await second.settle();
    expect(summaries(second.deliveries).toSorted()).toEqual([
      '+a.md: edited meanwhile',
      '+deep/er/b.html: <title>Beta</title><p>second',
      '-c.txt',
    ]);
    const offsets = second.deliveries.map(({ position }) => position.offset);
    expect(offsets).toEqual(offsets.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  it('sends an uncommitted deletion again under its version', async () => {
    const first = folder.start();
    await first.settle();
    await first.stop();
    await unlink(folder.path('c.txt'));
    const second = folder.start({ commits: false });
    await second.until('the deletion', (deliveries) => deliveries.length === 1);
    await second.stop();
    const third = folder.start();
    await third.settle();
    expect(third.deliveries.map(({ event }) => event.kind)).toEqual(['row-deleted']);
    expect(versions(third.deliveries)).toEqual(versions(second.deliveries));
    await third.stop();
    const fourth = folder.start();
    await fourth.settle();
    expect(fourth.deliveries).toEqual([]);
  });

  it('never goes back in versions when the clock does', async () => {
    const clock = shiftedClock();
    const first = folder.start({ clock });
    await first.settle();
    await first.stop();
    clock.shiftMs = -365 * 86_400_000;
    await folder.write('a.md', 'later by an earlier clock');
    const second = folder.start({ clock });
    await second.settle();
    expect(versions(second.deliveries)[0]).toBeGreaterThan(Math.max(...versions(first.deliveries)));
  });

  it('keeps versions in order beyond the 48 bits of an epoch', async () => {
    const clock = shiftedClock();
    const first = folder.start({ clock });
    await first.settle();
    await first.stop();
    clock.shiftMs = 10 * 365 * 86_400_000;
    await folder.write('a.md', 'in ten years');
    const second = folder.start({ clock });
    await second.settle();
    const [late] = versions(second.deliveries) as [ReturnType<typeof versions>[number]];
    expect(late).toBeGreaterThan(Math.max(...versions(first.deliveries)));
    expect(epochOf(late as never)).toBeGreaterThan(0);
    expect(Number.isSafeInteger(late)).toBe(true);
  });

  it('refuses to start on a folder that never was', async () => {
    const run = folder.start({ root: folder.path('nowhere'), name: 'other' });
    await run.until('a failure', () => run.failure() !== undefined);
    expect(run.failure()).toMatchObject({ code: 'FILES_ROOT_MISSING', kind: 'fatal' });
  });

  it('waits, and deletes nothing, when a folder it knows is not there', async () => {
    const first = folder.start();
    await first.settle();
    await first.stop();
    await rename(folder.root, `${folder.root}-away`);
    const second = folder.start();
    await second.until('a report', () =>
      folder.events.some((event) => event.type === 'source' && event.code === 'FILES_ROOT_LOST'),
    );
    expect((await second.source.freshness()).connected).toBe(false);
    await rename(`${folder.root}-away`, folder.root);
    await second.settle();
    expect(second.deliveries).toEqual([]);
  });

  it('refuses a checkpoint that is not its own', async () => {
    await folder.checkpoints.save('kb', { lsn: '0/16B3748' });
    const run = folder.start();
    await run.until('a failure', () => run.failure() !== undefined);
    expect(run.failure()).toMatchObject({ code: 'FILES_CHECKPOINT_INVALID', kind: 'fatal' });
  });
});

describe('a running files source', () => {
  it('notices edits, new files in new folders, and deletions by itself', async () => {
    const run = folder.start();
    await run.settle();
    await folder.write('a.md', 'edited');
    await run.until('the edit', (all) => summaries(all).includes('+a.md: edited'));
    await folder.write('x/y/z.md', 'new');
    await run.until('the new file', (all) => summaries(all).includes('+x/y/z.md: new'));
    await unlink(folder.path('c.txt'));
    await run.until('the deletion', (all) => summaries(all).includes('-c.txt'));
    const edits = run.deliveries.slice(3).map(({ event }) => event);
    expect(edits.every((event) => 'sourcePosition' in event && event.sourcePosition !== undefined)).toBe(true);
    expect(edits.every((event) => event.kind !== 'row-upserted' || !event.snapshot)).toBe(true);
    expect(
      edits.every((event) => 'committedAt' in event && Math.abs((event.committedAt ?? 0) - Date.now()) < 60_000),
    ).toBe(true);
  });

  it('takes a rename as a deletion and a new row, of files and of folders', async () => {
    const run = folder.start();
    await run.settle();
    await rename(folder.path('a.md'), folder.path('renamed.md'));
    await run.until(
      'both halves',
      (all) => summaries(all).includes('-a.md') && summaries(all).includes('+renamed.md: # Alpha\n\nfirst'),
    );
    await rename(folder.path('deep'), folder.path('moved'));
    await run.until(
      'both halves of the folder',
      (all) =>
        summaries(all).includes('-deep/er/b.html') &&
        summaries(all).some((line) => line.startsWith('+moved/er/b.html')),
    );
  });

  it('sees one edit where an editor writes a temporary file and renames it', async () => {
    const run = folder.start();
    await run.settle();
    await folder.write('.a.md.swp', 'swap');
    await folder.write('a.md~', 'backup');
    await folder.write('a.md.tmp', 'saved by rename');
    await rename(folder.path('a.md.tmp'), folder.path('a.md'));
    await run.until('the edit', (all) => all.length > 3);
    await run.settle();
    expect(summaries(run.deliveries.slice(3))).toEqual(['+a.md: saved by rename']);
  });

  it('sees one edit where an editor deletes the file and writes it again', async () => {
    const run = folder.start({ deleteSettleMs: 400 });
    await run.settle();
    await unlink(folder.path('a.md'));
    await folder.write('a.md', 'written again');
    await run.until('the edit', (all) => all.length > 3);
    await run.settle();
    expect(summaries(run.deliveries.slice(3))).toEqual(['+a.md: written again']);
  });

  it('waits for a file that is written in pieces', async () => {
    const run = folder.start({ settleMs: 300 });
    await run.settle();
    for (let piece = 0; piece < 10; piece++) await appendFile(folder.path('parts.md'), `${piece}`);
    await run.until('the file', (all) => all.length > 3);
    expect(summaries(run.deliveries.slice(3))).toEqual(['+parts.md: 0123456789']);
  });

  it('delivers a touched file again, for its time is a column, and one whose mode changed not', async () => {
    const run = folder.start();
    await run.settle();
    await chmod(folder.path('a.md'), 0o600);
    await run.settle();
    expect(run.deliveries).toHaveLength(3);
    await utimes(folder.path('a.md'), 1_700_000_000, 1_700_000_000);
    await run.settle();
    expect(run.deliveries[3]?.event).toMatchObject({ row: { modifiedAt: '2023-11-14T22:13:20.000Z' } });
  });

  it('deletes nothing when its folder disappears, and goes on when it is back', async () => {
    const run = folder.start({ rescanMs: 50, deleteSettleMs: 20 });
    await run.settle();
    await rename(folder.root, `${folder.root}-away`);
    await run.until('a report', () =>
      folder.events.some((event) => event.type === 'source' && event.code === 'FILES_ROOT_LOST'),
    );
    expect((await run.source.freshness()).connected).toBe(false);
    await rename(`${folder.root}-away`, folder.root);
    await folder.write('a.md', 'after the return');
    await run.until('the edit', (all) => all.length > 3);
    expect(summaries(run.deliveries.slice(3))).toEqual(['+a.md: after the return']);
  });

  it('reads no further than it is asked to', async () => {
    for (let file = 0; file < 300; file++) await folder.write(`many/${file}.md`, `text ${file}`);
    const source = createFilesSource({
      name: 'kb',
      root: folder.root,
      checkpoints: folder.checkpoints,
      clock: systemClock,
    });
    const iterator = source.read(never)[Symbol.asyncIterator]();
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await source.freshness()).gauges['files_known']).toBeLessThanOrEqual(64);
    await iterator.return?.(undefined);
  });

  it('adds the columns it was told to, and delivers everything again under other settings, deletions included', async () => {
    const first = folder.start({ settingsFingerprint: 'a' });
    await first.settle();
    await first.stop();
    await unlink(folder.path('c.txt'));
    const second = folder.start({ settingsFingerprint: 'b', columns: { access: ['group:support'] } });
    await second.settle();
    expect(
      summaries(second.deliveries)
        .map((line) => line.slice(0, 3))
        .toSorted(),
    ).toEqual(['+a.', '+de', '-c.']);
    expect(Math.min(...versions(second.deliveries))).toBeGreaterThan(Math.max(...versions(first.deliveries)));
    for (const { event } of second.deliveries) {
      if (event.kind === 'row-upserted')
        expect(event).toMatchObject({ snapshot: true, row: { access: ['group:support'] } });
    }
  });

  it('delivers everything again on replay, under new versions', async () => {
    const run = folder.start();
    await run.settle();
    const before = Math.max(...versions(run.deliveries));
    await run.source.replay('snapshot');
    await run.settle();
    expect(run.deliveries).toHaveLength(6);
    expect(Math.min(...versions(run.deliveries.slice(3)))).toBeGreaterThan(before);
    await expect(run.source.replay('0/16B3748')).rejects.toMatchObject({ code: 'BAD_POSITION', kind: 'poison' });
  });
});

describe('tokens of a files source', () => {
  it('cover every write made before them', async () => {
    const run = folder.start();
    await run.settle();
    for (let edit = 0; edit < 5; edit++) {
      await folder.write('a.md', `edit ${edit}`);
      await run.settle();
      expect(summaries(run.deliveries).at(-1)).toBe(`+a.md: edit ${edit}`);
    }
  });

  it('are not reached while a change they cover is not committed', async () => {
    const run = folder.start({ commits: false });
    await run.until('three rows', (deliveries) => deliveries.length === 3);
    const token = await run.source.currentToken(never);
    expect(await run.source.reached(token, 100, never)).toBe(false);
    await run.source.commit([run.deliveries[2]!.position]);
    expect(await run.source.reached(token, 5000, never)).toBe(true);
    expect(run.source.coveredToken()).toMatch(/^files:\d+$/);
  });

  it('are refused when they are of something else', async () => {
    const run = folder.start();
    await expect(run.source.reached('0/16B3748', 10, never)).rejects.toMatchObject({
      code: 'BAD_TOKEN',
      kind: 'poison',
    });
  });
});

describe('awkward files', () => {
  it('are left out when hidden, excluded, of another kind, or below node_modules', async () => {
    await folder.write('.hidden.md', 'x');
    await folder.write('.git/x.md', 'x');
    await folder.write('node_modules/p/readme.md', 'x');
    await folder.write('drafts/x.md', 'x');
    await folder.write('image.png', 'x');
    const run = folder.start({ exclude: ['drafts/**'] });
    await run.settle();
    await folder.write('drafts/y.md', 'x');
    await folder.write('node_modules/q.md', 'x');
    await run.settle();
    expect(run.deliveries).toHaveLength(3);
  });

  it('are poison once per content when too large, binary or not UTF-8, and rows once they are mended', async () => {
    await folder.write('big.md', 'x'.repeat(2001));
    await folder.write('binary.md', new Uint8Array([104, 0, 105]));
    await folder.write('latin1.md', new Uint8Array([0x63, 0x61, 0x66, 0xe9]));
    const run = folder.start({ maxFileBytes: 2000 });
    await run.settle();
    expect(
      summaries(run.deliveries)
        .filter((line) => line.startsWith('!'))
        .toSorted(),
    ).toEqual(['!big.md FILE_TOO_LARGE', '!binary.md FILE_NOT_TEXT', '!latin1.md FILE_NOT_TEXT']);
    await run.stop();
    const again = folder.start({ maxFileBytes: 2000 });
    await again.settle();
    expect(again.deliveries).toEqual([]);
    await folder.write('big.md', 'small now');
    await again.settle();
    expect(summaries(again.deliveries)).toEqual(['+big.md: small now']);
    await expect(again.source.row(TABLE, rowKey(['latin1.md']), never)).rejects.toMatchObject({ kind: 'poison' });
  });

  it('lose their byte order mark, and are read as UTF-16 where the mark says so', async () => {
    await folder.write('bom.txt', '\ufeffwith a mark');
    await folder.write('wide.txt', Buffer.from('\ufeffwide ☃', 'utf16le'));
    const run = folder.start();
    await run.settle();
    expect(summaries(run.deliveries)).toEqual(expect.arrayContaining(['+bom.txt: with a mark', '+wide.txt: wide ☃']));
  });

  it('are rows when empty or of odd names', async () => {
    await folder.write('empty.md', '');
    await folder.write('odd \' % # "ä".md', 'odd');
    const run = folder.start();
    await run.settle();
    expect(summaries(run.deliveries)).toEqual(expect.arrayContaining(['+empty.md: ', '+odd \' % # "ä".md: odd']));
    expect(await run.source.row(TABLE, rowKey(['odd \' % # "ä".md']), never)).toMatchObject({
      uri: "file:odd%20'%20%25%20%23%20%22%C3%A4%22.md",
    });
  });

  it('are not followed when they are symbolic links, which loop and lead outside', async () => {
    await writeFile(join(folder.root, '..', 'outside.md'), 'secret');
    await mkdir(join(folder.root, '..', 'other'));
    await writeFile(join(folder.root, '..', 'other', 'o.md'), 'secret');
    await symlink(folder.root, folder.path('loop'));
    await symlink(join(folder.root, '..', 'outside.md'), folder.path('link.md'));
    await symlink(join(folder.root, '..', 'other'), folder.path('linked'));
    const run = folder.start();
    await run.settle();
    expect(run.deliveries).toHaveLength(3);
    expect(await run.source.row(TABLE, rowKey(['link.md']), never)).toBeUndefined();
    expect(await run.source.row(TABLE, rowKey(['linked/o.md']), never)).toBeUndefined();
    expect(await run.source.row(TABLE, rowKey(['../outside.md']), never)).toBeUndefined();
  });

  it('become a deletion when a folder or a pipe takes their place, without hanging', async () => {
    const run = folder.start();
    await run.settle();
    await rm(folder.path('c.txt'));
    await mkdir(folder.path('c.txt'));
    await rm(folder.path('a.md'));
    expect(spawnSync('mkfifo', [folder.path('a.md')]).status).toBe(0);
    await run.settle();
    expect(summaries(run.deliveries.slice(3)).toSorted()).toEqual(['-a.md', '-c.txt']);
  });

  it('are poison while they may not be read, and a folder that may not be listed deletes nothing', async () => {
    await chmod(join(folder.root, '..'), 0o755);
    await chmod(folder.path('c.txt'), 0o644);
    const run = folder.start();
    await run.settle();
    await chmod(folder.path('c.txt'), 0);
    await chmod(folder.path('deep'), 0);
    await withoutRoot(() => run.settle());
    const meanwhile = summaries(run.deliveries.slice(3));
    expect(meanwhile).toContain('!c.txt FILE_UNREADABLE');
    expect(meanwhile.filter((line) => line.startsWith('-'))).toEqual([]);
    expect(folder.events.map((event) => ('code' in event ? event.code : ''))).toContain('FILES_FOLDER_UNREADABLE');
    await chmod(folder.path('deep'), 0o755);
    await chmod(folder.path('c.txt'), 0o644);
    await run.settle();
    expect(summaries(run.deliveries.slice(3 + meanwhile.length))).toContain('+c.txt: third');
  });
});

describe('rows of a files source', () => {
  it('are its current files in key order, as they are delivered', async () => {
    await folder.write('a b.md', 'x');
    await folder.write('binary.md', new Uint8Array([0]));
    const run = folder.start();
    await run.settle();
    const rows = await collect(run.source.rows(TABLE, never));
    expect(rows.map(({ key }) => key)).toEqual([
      rowKey(['a b.md']),
      rowKey(['a.md']),
      rowKey(['c.txt']),
      rowKey(['deep/er/b.html']),
    ]);
    for (const { key, row } of rows) {
      expect(run.deliveries.map(({ event }) => event)).toContainEqual(expect.objectContaining({ key, row }));
      expect(await run.source.row(TABLE, key, never)).toEqual(row);
    }
    expect(await run.source.row(TABLE, rowKey(['gone.md']), never)).toBeUndefined();
    expect(await collect(run.source.rows(tableId('other.files'), never))).toEqual([]);
  });
});
