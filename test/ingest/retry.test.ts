import { afterEach, describe, expect, it } from 'vitest';
import type { ChangeEvent, Delivery, Position } from '../../src/domain/change.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { tableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { StoredDeadLetter } from '../../src/ports/dead-letters.ts';
import { createPipelineKit, idOf, keyOf, TABLE, type PipelineKit } from '../support/pipeline-kit.ts';

const kits: PipelineKit[] = [];
afterEach(async () => {
  for (const kit of kits.splice(0)) await kit.close();
});

const GARBLED = new FreshetError(
  'SCHEMA_UNKNOWN',
  'poison',
  'The record names a schema that the registry does not have.',
);
const at = (n: number) => ({
  version: makeVersion(0, n),
  sourcePosition: sourcePosition(BigInt(n)),
  committedAt: 1_700_000_000_000,
});
const upserted = (id: number, n: number, body: string): ChangeEvent => ({
  kind: 'row-upserted',
  ...{ table: TABLE, key: keyOf(id), row: { id, title: `Article ${id}`, body }, snapshot: false },
  ...at(n),
});
const undecodable = (rest: Partial<Extract<ChangeEvent, { kind: 'undecodable' }>> = {}): ChangeEvent => ({
  kind: 'undecodable',
  table: undefined,
  key: undefined,
  error: GARBLED,
  ...rest,
});

/** A pipeline without row look-ups, on a log whose records may decode differently the second time. */
function logKit(onlyOnce: readonly ChangeEvent[]) {
  const log = new Map<bigint, ChangeEvent>();
  const record = (position: Position): Promise<Delivery | undefined> => {
    const event = log.get(position.offset);
    return Promise.resolve(event && { position, event, endsPosition: true, receivedAt: 0, bytes: 100 });
  };
  const isCommitted = ({ partition, offset }: Position): Promise<boolean> =>
    Promise.resolve((kit.source.committed.get(partition) ?? -1n) >= offset);
  const kit: PipelineKit = createPipelineKit({ withLookup: false, recordFetch: { record, isCommitted } });
  kits.push(kit);
  for (const event of onlyOnce) kit.source.push(event);
  return { kit, log };
}

async function onlyLetter(kit: PipelineKit): Promise<StoredDeadLetter> {
  await expect.poll(() => kit.deadLetters.count()).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  const [letter] = await kit.deadLetters.list({ limit: 1 });
  return letter!;
}

async function running(kit: PipelineKit, work: () => Promise<void>): Promise<void> {
  const over = kit.run();
  await work();
  kit.stop();
  await over;
}

describe('a dead letter retried from its log', () => {
  it('is indexed at its own version, once its record decodes', async () => {
    const { kit, log } = logKit([undecodable()]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      log.set(1n, upserted(1, 1, 'Decoded now.'));
      expect(await kit.pipeline.retry(letter)).toBe('indexed');
      expect(await kit.text(1)).toBe('Decoded now.');
      expect(await kit.deadLetters.count()).toBe(0);
    });
  });

  it('stays, with one more attempt, while its record does not decode', async () => {
    const { kit, log } = logKit([undecodable()]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      log.set(1n, undecodable());
      expect(await kit.pipeline.retry(letter)).toBe('dead-lettered');
      expect(await onlyLetter(kit)).toMatchObject({ id: letter.id, attempts: 2 });
    });
  });

  it('gives way to a letter of its document when it decodes and fails later', async () => {
    const { kit, log } = logKit([undecodable()]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      log.set(1n, upserted(1, 1, 'x'.repeat(200_000)));
      expect(await kit.pipeline.retry(letter)).toBe('dead-lettered');
      expect(await onlyLetter(kit)).toMatchObject({ document: idOf(1), code: 'DOCUMENT_TOO_LARGE' });
    });
  });

  it('changes nothing where a newer change was indexed meanwhile', async () => {
    const { kit, log } = logKit([undecodable({ table: TABLE, key: keyOf(1), ...at(1) }), upserted(1, 2, 'Newer.')]);
    await running(kit, async () => {
      await expect.poll(() => kit.text(1)).toBe('Newer.');
      await expect.poll(() => kit.deadLetters.count()).toBe(0);
      await kit.deadLetters.put({
        ...LETTER,
        table: TABLE,
        key: keyOf(1),
        document: idOf(1),
        version: makeVersion(0, 1),
      });
      log.set(1n, upserted(1, 1, 'Older.'));
      expect(await kit.pipeline.retry(await onlyLetter(kit))).toBe('nothing-to-do');
      expect(await kit.text(1)).toBe('Newer.');
      expect(await kit.deadLetters.count()).toBe(0);
    });
  });

  it('deletes where its record is a delete', async () => {
    const { kit, log } = logKit([upserted(1, 1, 'Here.'), undecodable({ table: TABLE, key: keyOf(1), ...at(2) })]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      log.set(2n, { kind: 'row-deleted', table: TABLE, key: keyOf(1), ...at(2) });
      expect(await kit.pipeline.retry(letter)).toBe('deleted');
      expect(await kit.text(1)).toBeUndefined();
      expect(await kit.deadLetters.count()).toBe(0);
    });
  });

  it('truncates where its record is a truncate', async () => {
    const { kit, log } = logKit([upserted(1, 1, 'Here.'), undecodable({ table: TABLE })]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      const { sourcePosition: position, committedAt } = at(2);
      log.set(2n, { kind: 'table-truncated', table: TABLE, epoch: 0, sourcePosition: position, committedAt });
      expect(await kit.pipeline.retry(letter)).toBe('deleted');
      expect(await kit.text(1)).toBeUndefined();
      expect(await kit.deadLetters.count()).toBe(0);
    });
  });

  it('is done with where its record means nothing any more', async () => {
    const { kit, log } = logKit([undecodable()]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      log.set(1n, { kind: 'nothing', reason: 'untracked-table' });
      expect(await kit.pipeline.retry(letter)).toBe('nothing-to-do');
      expect(await kit.deadLetters.count()).toBe(0);
    });
  });

  it.for([
    ['the log no longer holds it', undefined],
    ['the log was made anew and holds another record there', upserted(1, 7, 'Of another log.')],
  ] as const)('says so where %s, and stays', async ([, event]) => {
    const { kit, log } = logKit([undecodable({ table: TABLE, key: keyOf(1), ...at(1) })]);
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      if (event !== undefined) log.set(1n, event);
      await expect(kit.pipeline.retry(letter)).rejects.toMatchObject({
        code: 'DEAD_LETTER_RECORD_GONE',
        kind: 'poison',
      });
      expect(await kit.deadLetters.count()).toBe(1);
    });
  });

  it('is not taken from its log where its row can be read as it is now', async () => {
    const fetches: Position[] = [];
    const recordFetch = {
      record: (position: Position) => Promise.resolve(void fetches.push(position)),
      isCommitted: () => Promise.resolve(true),
    };
    const kit = createPipelineKit({ recordFetch });
    kits.push(kit);
    kit.rows.set(keyOf(1), { id: 1, title: 'Now', body: 'As it is now.' });
    kit.source.push(undecodable({ table: TABLE, key: keyOf(1), ...at(1) }));
    await running(kit, async () => {
      expect(await kit.pipeline.retry(await onlyLetter(kit))).toBe('indexed');
      expect(await kit.text(1)).toBe('As it is now.');
      expect(fetches).toEqual([]);
    });
  });

  it('waits until everything before it is committed: it would overtake an older change of its row', async () => {
    const { kit, log } = logKit([undecodable({ table: TABLE, key: keyOf(1), ...at(1) })]);
    kit.source.commit = () => Promise.reject(new FreshetError('BROKER_AWAY', 'transient', 'away'));
    await running(kit, async () => {
      const letter = await onlyLetter(kit);
      log.set(1n, upserted(1, 1, 'Too early.'));
      await expect(kit.pipeline.retry(letter)).rejects.toMatchObject({ code: 'DEAD_LETTER_TOO_EARLY', kind: 'poison' });
      expect(await kit.text(1)).toBeUndefined();
      expect(await kit.deadLetters.count()).toBe(1);
    });
  });

  it('cannot be retried where there is neither a row to look up nor a log to read again', async () => {
    const kit = createPipelineKit({ withLookup: false });
    kits.push(kit);
    kit.source.push(undecodable({ table: TABLE, key: keyOf(1), ...at(1) }));
    await running(kit, async () => {
      const retried = kit.pipeline.retry(await onlyLetter(kit));
      await expect(retried).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_RETRYABLE', kind: 'poison' });
    });
  });

  it('is refused where its table is not mapped any more, and stops nothing', async () => {
    const kit = createPipelineKit();
    kits.push(kit);
    await kit.deadLetters.put({
      ...LETTER,
      table: tableId('app.public.gone'),
      key: keyOf(1),
      version: makeVersion(0, 1),
    });
    await running(kit, async () => {
      const retried = kit.pipeline.retry(await onlyLetter(kit));
      await expect(retried).rejects.toMatchObject({ code: 'DEAD_LETTER_UNMAPPED', kind: 'poison' });
    });
  });
});

const LETTER = {
  ...{ source: 'app', table: undefined, key: undefined, document: undefined, version: undefined },
  position: { partition: '0' as Position['partition'], offset: 1n },
  ...{
    sourcePosition: undefined,
    committedAt: undefined,
    stage: 'decode',
    code: 'SCHEMA_UNKNOWN',
    message: 'Unknown.',
  },
  ...{ attempts: 1, failedAt: 0 },
};
