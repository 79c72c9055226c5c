import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openKafkaDeadLetters, type KafkaDeadLetters } from '../../../../connectors/kafka/dead-letters/dead-letters.ts';
import { rowKey, type DocumentId } from '../../../../src/domain/ids.ts';
import { makeVersion } from '../../../../src/domain/version.ts';
import { deadLetter, describeDeadLetters } from '../../../contracts/dead-letters.contract.ts';
import { createManualClock, type ManualClock } from '../../../support/manual-clock.ts';
import { MemoryTopic } from './log.ts';

const KEY = new Uint8Array(32).fill(7);
const DOCUMENT = deadLetter().document as DocumentId;

const openOn = (
  topic: MemoryTopic,
  clock = createManualClock(),
  more: { sealKey?: Uint8Array; lettersMax?: number } = {},
) => openKafkaDeadLetters(topic.open(), { topic: 'dlq', sealKey: KEY, clock, ...more });

describeDeadLetters('a topic in memory', async () => {
  const deadLetters = await openOn(new MemoryTopic());
  return { deadLetters, [Symbol.asyncDispose]: () => deadLetters[Symbol.asyncDispose]() };
});

describe('dead letters on a topic', () => {
  let topic: MemoryTopic;
  let clock: ManualClock;
  const opened: KafkaDeadLetters[] = [];
  const open = async (more: { sealKey?: Uint8Array; lettersMax?: number } = {}): Promise<KafkaDeadLetters> => {
    const letters = await openOn(topic, clock, more);
    opened.push(letters);
    return letters;
  };
  /** All instances look at the topic, and what they then write is done. */
  const follow = async (...instances: readonly KafkaDeadLetters[]): Promise<void> => {
    for (let n = 0; n < 2; n += 1) {
      await clock.advance(1_000);
      for (const instance of instances) await instance.list({ limit: 1 });
    }
  };
  beforeEach(() => {
    topic = new MemoryTopic();
    clock = createManualClock();
  });
  afterEach(async () => {
    for (const letters of opened.splice(0)) await letters[Symbol.asyncDispose]();
  });

  it('shows every instance what another one wrote, in the same order', async () => {
    const [one, two] = [await open(), await open()];
    await one.put(deadLetter({ document: 'a' as DocumentId }));
    await two.list({ limit: 1 });
    await two.put(deadLetter({ document: 'b' as DocumentId }));
    const [first, second] = [await one.list({ limit: 10 }), await two.list({ limit: 10 })];
    expect(first.map(({ document }) => document)).toEqual(['a', 'b']);
    expect(second.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(second[0]?.key).toBe(rowKey(['ann@example.com']));
  });

  it('reads letters again after a restart, also after compaction', async () => {
    const before = await open();
    await before.put(deadLetter({ document: 'a' as DocumentId }));
    await before.put(deadLetter({ document: 'b' as DocumentId }));
    await before.put(deadLetter({ document: 'a' as DocumentId, version: makeVersion(0, 9) }));
    await before.resolve('app', 'b' as DocumentId, makeVersion(0, 9));
    topic.compact();
    const after = await open();
    expect(await after.list({ limit: 10 })).toEqual(await before.list({ limit: 10 }));
    expect(await after.count()).toBe(1);
    expect((await after.list({ limit: 1 }))[0]).toMatchObject({ attempts: 4, version: makeVersion(0, 9) });
  });

  it('writes no row key, and no letter without its coordinates in the headers', async () => {
    const letters = await open();
    await letters.put(deadLetter());
    const [record] = topic.records;
    expect(
      JSON.stringify(topic.records, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain('ann@');
    expect(record?.headers).toEqual({
      '__freshet.error.code': 'EMBED_REFUSED',
      '__freshet.error.stage': 'embed',
      '__freshet.error.message': 'The engine refused the text.',
      '__freshet.error.attempts': '2',
      '__freshet.error.source': 'app',
      '__freshet.error.partition': 'app',
      '__freshet.error.offset': String(2n ** 60n + 1n),
    });
  });

  it('shows a letter that was sealed under another key, without its row key', async () => {
    await (await open()).put(deadLetter());
    const [letter] = await (await open({ sealKey: new Uint8Array(32).fill(8) })).list({ limit: 1 });
    expect(letter).toMatchObject({ document: DOCUMENT, code: 'EMBED_REFUSED' });
    expect(letter?.key).toBeUndefined();
  });

  it('keeps the newer failure when an instance that does not know of it writes an older one', async () => {
    const [owner, zombie] = [await open(), await open()];
    // Both write in the same moment: neither has read the other's.
    await Promise.all([
      owner.put(deadLetter({ version: makeVersion(0, 9), code: 'NEWER' })),
      zombie.put(deadLetter({ version: makeVersion(0, 7), code: 'OLDER' })),
    ]);
    await follow(owner, zombie);
    for (const instance of [owner, zombie]) {
      expect((await instance.list({ limit: 2 })).map(({ code }) => code)).toEqual(['NEWER']);
    }
    topic.compact();
    expect((await (await open()).list({ limit: 2 })).map(({ code }) => code)).toEqual(['NEWER']);
  });

  it('keeps a newer failure that was written while its document was resolved at an older version', async () => {
    const [owner, zombie] = [await open(), await open()];
    await zombie.put(deadLetter({ version: makeVersion(0, 7) }));
    await owner.list({ limit: 1 });
    await Promise.all([
      owner.put(deadLetter({ version: makeVersion(0, 9), code: 'NEWER' })),
      zombie.resolve('app', DOCUMENT, makeVersion(0, 8)),
    ]);
    await follow(owner, zombie);
    topic.compact();
    expect((await (await open()).list({ limit: 2 })).map(({ code }) => code)).toEqual(['NEWER']);
  });

  it('voids a letter that another instance wrote, and this one had not read when it indexed the document', async () => {
    const [before, after] = [await open(), await open()];
    await before.put(deadLetter({ version: makeVersion(0, 7) }));
    await after.resolve('app', DOCUMENT, makeVersion(0, 8));
    expect(await before.count()).toBe(1);
    await follow(after, before);
    expect(await before.count()).toBe(0);
    topic.compact();
    expect(topic.records).toEqual([]);
  });

  it('goes on after a letter that was removed between two pages', async () => {
    const letters = await open();
    for (const document of ['a', 'b', 'c'] as DocumentId[]) await letters.put(deadLetter({ document }));
    const [first] = await letters.list({ limit: 1 });
    await letters.remove(first!.id);
    const rest = await letters.list({ limit: 10, after: first!.id });
    expect(rest.map(({ document }) => document)).toEqual(['b', 'c']);
  });

  it('asks the brokers nothing for a document without a letter', async () => {
    const letters = await open();
    await letters.put(deadLetter());
    topic.away = true;
    await letters.resolve('app', 'another' as DocumentId, makeVersion(0, 9));
    expect(await letters.ofDocument(DOCUMENT)).toBeDefined();
    expect(await letters.count()).toBe(1);
  });

  it('says that the brokers are away, and takes the letter when they are back', async () => {
    const letters = await open();
    topic.away = true;
    await expect(letters.put(deadLetter())).rejects.toMatchObject({ kind: 'transient' });
    await expect(letters.list({ limit: 1 })).rejects.toMatchObject({ kind: 'transient' });
    topic.away = false;
    await letters.put(deadLetter());
    expect(await letters.count()).toBe(1);
  });

  it('stops at its limit, and takes what is known already', async () => {
    const letters = await open({ lettersMax: 2 });
    await letters.put(deadLetter({ document: 'a' as DocumentId }));
    await letters.put(deadLetter({ document: 'b' as DocumentId }));
    await expect(letters.put(deadLetter({ document: 'c' as DocumentId }))).rejects.toMatchObject({
      code: 'DEAD_LETTERS_FULL',
      kind: 'fatal',
    });
    await letters.put(deadLetter({ document: 'a' as DocumentId }));
    expect(await letters.count()).toBe(2);
  });

  it('refuses a topic that holds something else, and says where', async () => {
    topic.write({ key: 'x', value: '{"order":42}', headers: {} });
    await expect(open()).rejects.toMatchObject({
      code: 'DEAD_LETTERS_UNREADABLE',
      details: { partition: 0, offset: '0' },
    });
  });

  it('has no letters any more when its topic was made anew', async () => {
    const letters = await open();
    await letters.put(deadLetter());
    await letters.put(deadLetter({ document: 'b' as DocumentId }));
    topic.recreate();
    expect(await letters.list({ limit: 10 })).toEqual([]);
    await letters.put(deadLetter());
    expect(await letters.count()).toBe(1);
  });
});
