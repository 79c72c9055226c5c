import { afterEach, describe, expect, it } from 'vitest';
import { UNCHANGED } from '../../src/domain/change.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { partitionId, rowKey } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import type { Index } from '../../src/ports/index-store.ts';
import { createManualClock, settled } from '../support/manual-clock.ts';
import { createPipelineKit, idOf, keyOf, MAPPING, TABLE, type PipelineKit } from '../support/pipeline-kit.ts';

const kits: PipelineKit[] = [];
function kitOf(options?: Parameters<typeof createPipelineKit>[0]): PipelineKit {
  const kit = createPipelineKit(options);
  kits.push(kit);
  return kit;
}
afterEach(async () => {
  for (const kit of kits.splice(0)) await kit.close();
});

const paragraph = (n: number): string =>
  `## Part ${n}\n\nThis is what part ${n} says about subject ${n}, in a sentence or two of its own.`;
const article = (parts: number): string => Array.from({ length: parts }, (_, n) => paragraph(n)).join('\n\n');

describe('the pipeline', () => {
  it('indexes a row, then embeds only the part that an edit changed', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: article(20) });
    await kit.quiet();
    kit.write(1, { body: article(20).replace('subject 7', 'something else') });
    await kit.quiet();
    const [first, second] = kit.observer.of('document-visible');
    expect(first?.chunksEmbedded).toBe(first?.chunksTotal);
    expect(second).toMatchObject({ chunksEmbedded: 1 });
    expect(await kit.text(1)).toContain('something else');
    kit.stop();
    await running;
  });

  it('embeds nothing when a change leaves what is mapped as it was', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: 'Same text.' });
    await kit.quiet();
    kit.write(1, { body: 'Same text.' });
    await kit.quiet();
    expect(kit.observer.of('document-visible').map((event) => event.chunksEmbedded)).toEqual([1, 0]);
    expect(kit.observer.of('document-redacted')).toHaveLength(1);
    kit.stop();
    await running;
  });

  it('redacts before anything is embedded or stored', async () => {
    const seen: string[] = [];
    const kit = kitOf({
      wrapEmbedder: (embedder) => ({
        ...embedder,
        embed: (texts, kind, signal) => {
          seen.push(...texts);
          return embedder.embed(texts, kind, signal);
        },
      }),
    });
    const running = kit.run();
    kit.write(1, { title: 'Ask jo.doe@example.com', body: 'Write to jo.doe@example.com for more.' });
    await kit.quiet();
    expect(seen.join()).toContain('[EMAIL]');
    expect(seen.join()).not.toContain('jo.doe');
    const head = (await kit.index.heads([idOf(1)], kit.signal)).get(idOf(1));
    expect(
      JSON.stringify(head, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain('jo.doe');
    kit.stop();
    await running;
  });

  it('removes a row that its table’s filter no longer lets through', async () => {
    const kit = kitOf({ mapping: { ...MAPPING, filter: { key: 'title', op: 'ne', value: 'Hidden' } } });
    const running = kit.run();
    kit.write(1, { body: 'Seen.' });
    await kit.quiet();
    expect(await kit.text(1)).toBe('Seen.');
    kit.write(1, { title: 'Hidden', body: 'Seen.' });
    await kit.quiet();
    expect(await kit.text(1)).toBeUndefined();
    kit.stop();
    await running;
  });

  it('dead-letters a poison record without holding up any other, and indexes it when it is retried after the mend', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: 'x'.repeat(200_000) });
    kit.write(2, { body: 'Fine.' });
    await kit.quiet();
    expect(await kit.text(2)).toBe('Fine.');
    const [letter] = await kit.deadLetters.list({ limit: 10 });
    expect(letter).toMatchObject({
      code: 'DOCUMENT_TOO_LARGE',
      stage: 'map',
      document: idOf(1),
      attempts: 1,
      position: { offset: 1n },
    });
    expect(JSON.stringify(letter, (_key, value: unknown) => String(value))).not.toContain('xxxx');
    expect(await kit.pipeline.retry(letter!)).toBe('dead-lettered');
    expect((await kit.deadLetters.get(letter!.id))?.attempts).toBe(2);

    kit.rows.set(keyOf(1), { id: 1, title: 'Mended', body: 'Short now.' });
    expect(await kit.pipeline.retry(letter!)).toBe('indexed');
    expect(await kit.text(1)).toBe('Short now.');
    expect(await kit.deadLetters.count()).toBe(0);
    kit.stop();
    await running;
  });

  it('keeps the dead letter of a newer change that failed while an older one was retried', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: 'x'.repeat(200_000) });
    await kit.quiet();
    const [letter] = await kit.deadLetters.list({ limit: 10 });
    kit.source.row = async () => {
      kit.write(1, { body: 'y'.repeat(200_000) });
      await kit.quiet();
      return { id: 1, title: 'Between the two', body: 'Short for a moment.' };
    };
    expect(await kit.pipeline.retry(letter!)).toBe('indexed');
    expect(await kit.deadLetters.list({ limit: 10 })).toMatchObject([{ code: 'DOCUMENT_TOO_LARGE', version: 2 }]);
    kit.stop();
    await running;
  });

  it('ends a retry that the pipeline’s stop overtakes', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: 'x'.repeat(200_000) });
    await kit.quiet();
    const [letter] = await kit.deadLetters.list({ limit: 10 });
    kit.source.row = async () => {
      kit.stop();
      await running;
      return { id: 1, title: 'Too late', body: 'Short.' };
    };
    await expect(kit.pipeline.retry(letter!)).rejects.toMatchObject({ kind: 'aborted' });
    expect(await kit.deadLetters.count()).toBe(1);
  });

  it('voids the dead letter that a crash left behind when its change comes again', async () => {
    const kit = kitOf();
    kit.write(1, { body: 'x'.repeat(200_000) });
    const running = kit.run();
    await kit.quiet();
    const [letter] = await kit.deadLetters.list({ limit: 10 });
    kit.rows.set(keyOf(1), { id: 1, title: 'Mended', body: 'Short now.' });
    expect(await kit.pipeline.retry(letter!)).toBe('indexed');
    await kit.deadLetters.put({ ...letter!, key: keyOf(1) });
    kit.source.push({
      kind: 'row-upserted',
      table: TABLE,
      key: keyOf(1),
      row: { id: 1, title: 'Mended', body: 'Short now.' },
      version: letter!.version!,
      sourcePosition: letter!.sourcePosition!,
      committedAt: letter!.committedAt!,
      snapshot: false,
    });
    await expect.poll(() => kit.deadLetters.count()).toBe(0);
    kit.stop();
    await running;
  });

  it('waits for dead letters that are away, and stops for nothing', async () => {
    const kit = kitOf();
    const { resolve } = kit.deadLetters;
    let failures = 2;
    kit.deadLetters.resolve = (...args) =>
      failures-- > 0 ? Promise.reject(new FreshetError('STATE_BUSY', 'transient', 'away')) : resolve(...args);
    const running = kit.run();
    kit.write(1, { body: 'One.' });
    await expect.poll(() => kit.source.committed.size).toBe(1);
    expect(await kit.text(1)).toBe('One.');
    kit.stop();
    await running;
  });

  it('keeps the last good version searchable when a newer one is poison', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: 'Good.' });
    await kit.quiet();
    kit.write(1, { body: 'x'.repeat(200_000) });
    await kit.quiet();
    expect(await kit.text(1)).toBe('Good.');
    kit.write(1, { body: 'Good again.' });
    await kit.quiet();
    expect(await kit.text(1)).toBe('Good again.');
    expect(await kit.deadLetters.count()).toBe(0);
    kit.stop();
    await running;
  });

  it('looks up a value that the source left out, and never indexes the placeholder', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.rows.set(keyOf(1), { id: 1, title: 'New title', body: 'The large text.' });
    kit.source.push({
      kind: 'row-upserted',
      table: TABLE,
      key: keyOf(1),
      row: { id: 1, title: 'New title', body: UNCHANGED },
      version: makeVersion(0, 1),
      sourcePosition: sourcePosition(1n),
      committedAt: kit.clock.now(),
      snapshot: false,
    });
    await settled();
    await settled();
    expect(await kit.text(1)).toBe('The large text.');
    kit.stop();
    await running;
  });

  it('dead-letters a change without its large value where the source cannot look rows up', async () => {
    const kit = kitOf({ withLookup: false });
    const running = kit.run();
    kit.write(1, { body: UNCHANGED });
    await kit.quiet();
    expect(await kit.deadLetters.list({ limit: 1 })).toMatchObject([{ code: 'TOAST_VALUE_UNAVAILABLE' }]);
    kit.stop();
    await running;
  });

  it('names a renamed column in the dead letters', async () => {
    const kit = kitOf({ mapping: { ...MAPPING, text: '{content}' } });
    const running = kit.run();
    kit.write(1, { body: 'text' });
    await kit.quiet();
    expect(await kit.deadLetters.list({ limit: 1 })).toMatchObject([{ code: 'MAPPING_COLUMN_MISSING' }]);
    kit.stop();
    await running;
  });

  it('keeps answering from the last version while the engine is down, and shows every edit within a second of its recovery', async () => {
    const clock = createManualClock();
    let up = true;
    const away = (embedder: Embedder): Embedder => ({
      ...embedder,
      embed: (texts, kind, signal) =>
        up ? embedder.embed(texts, kind, signal) : Promise.reject(new FreshetError('ENGINE_AWAY', 'transient', 'away')),
    });
    const kit = kitOf({ clock, wrapEmbedder: away });
    const running = kit.run();
    for (let id = 1; id <= 50; id += 1) kit.write(id, { body: `Before ${id}.` });
    await kit.quiet();
    up = false;
    for (let id = 1; id <= 50; id += 1) kit.write(id, { body: `After ${id}.` });
    await clock.advance(60_000);
    expect(await kit.text(7)).toBe('Before 7.');
    up = true;
    await clock.advance(1_000);
    for (let id = 1; id <= 50; id += 1) expect(await kit.text(id)).toBe(`After ${id}.`);
    expect(await kit.deadLetters.count()).toBe(0);
    kit.stop();
    await clock.advance(10_000);
    await running;
  });

  it('waits for an index that is away, and loses nothing', async () => {
    const clock = createManualClock();
    let up = true;
    const flaky = (index: Index): Index => ({
      ...index,
      apply: (write, signal) =>
        up ? index.apply(write, signal) : Promise.reject(new FreshetError('INDEX_AWAY', 'transient', 'away')),
    });
    const kit = kitOf({ clock, wrapIndex: flaky });
    const running = kit.run();
    up = false;
    for (let id = 1; id <= 50; id += 1) kit.write(id, { body: `Text ${id}.` });
    await clock.advance(30_000);
    expect(kit.source.committed.size).toBe(0);
    up = true;
    await clock.advance(1_000);
    await kit.quiet();
    for (let id = 1; id <= 50; id += 1) expect(await kit.text(id)).toBe(`Text ${id}.`);
    kit.stop();
    await clock.advance(10_000);
    await running;
  });

  it('reads no further than its limits while nothing settles', async () => {
    const clock = createManualClock();
    const kit = kitOf({
      clock,
      limits: { inFlight: 20 },
      wrapEmbedder: (embedder) => ({ ...embedder, embed: () => new Promise(() => undefined) }),
    });
    const running = kit.run();
    for (let id = 1; id <= 500; id += 1) kit.write(id, { body: `Text ${id}.` });
    await clock.advance(1_000);
    expect(kit.source.readCount()).toBeLessThanOrEqual(21);
    kit.stop();
    await clock.advance(10_000);
    await running;
  });

  it('leaves turns to the rest of the process while nothing has to be waited for', async () => {
    const kit = kitOf();
    let fired = false;
    setTimeout(() => (fired = true), 1);
    async function* endless() {
      const position = { partition: partitionId('0'), offset: 1n };
      const event = { kind: 'nothing', reason: 'heartbeat' } as const;
      while (!fired) yield { position, event, endsPosition: false, receivedAt: 0, bytes: 1 };
    }
    kit.source.read = endless;
    await kit.run();
    expect(fired).toBe(true);
  });

  it('merges waiting changes of a row, and settles all of them with the survivor', async () => {
    const kit = kitOf();
    for (let n = 1; n <= 30; n += 1) kit.write(1, { body: `Edit ${n}.` });
    const running = kit.run();
    await kit.quiet();
    expect(await kit.text(1)).toBe('Edit 30.');
    expect(kit.observer.of('document-visible').length).toBeLessThan(30);
    expect(kit.observer.of('change-settled')).toHaveLength(30);
    kit.stop();
    await running;
  });

  it('finishes and commits what is in flight when it is stopped', async () => {
    const kit = kitOf();
    const running = kit.run();
    for (let id = 1; id <= 100; id += 1) kit.write(id, { body: `Text ${id}.` });
    await settled();
    kit.stop();
    await running;
    const committed = kit.source.committed.get(partitionId('0')) ?? 0n;
    for (let id = 1; id <= Number(committed); id += 1) expect(await kit.text(id)).toBe(`Text ${id}.`);
    expect(kit.pipeline.inFlight).toBe(0);
  });

  it('stops without settling anything when an error is fatal', async () => {
    const kit = kitOf({
      wrapIndex: (index) => ({
        ...index,
        apply: () => Promise.reject(new FreshetError('INDEX_CORRUPT', 'fatal', 'broken')),
      }),
    });
    const running = kit.run();
    kit.write(1, { body: 'text' });
    await expect(running).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
    expect(kit.source.committed.size).toBe(0);
  });

  it('takes an unknown error for fatal', async () => {
    const kit = kitOf({
      wrapIndex: (index) => ({ ...index, apply: () => Promise.reject(new TypeError('nobody thought of it')) }),
    });
    const running = kit.run();
    kit.write(1, { body: 'text' });
    await expect(running).rejects.toThrow(TypeError);
  });

  it('hides everything of a truncated table at once, and indexes what is inserted afterwards', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.write(1, { body: 'Old.' });
    await kit.quiet();
    kit.truncate();
    await kit.quiet();
    expect(await kit.text(1)).toBeUndefined();
    kit.write(2, { body: 'New.' });
    await kit.quiet();
    expect(await kit.text(2)).toBe('New.');
    kit.stop();
    await running;
  });

  it('puts a record the source could not decode into the dead letters, with its coordinates', async () => {
    const kit = kitOf();
    const running = kit.run();
    kit.source.push({
      kind: 'undecodable',
      table: TABLE,
      key: rowKey([9]),
      error: new FreshetError('COLUMN_UNDECODABLE', 'poison', 'Column "x" cannot be decoded.'),
    });
    await settled();
    expect(await kit.deadLetters.list({ limit: 1 })).toMatchObject([
      { code: 'COLUMN_UNDECODABLE', stage: 'decode', document: idOf(9) },
    ]);
    kit.stop();
    await running;
  });
});
