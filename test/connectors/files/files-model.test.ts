import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery, Row } from '../../../src/domain/change.ts';
import { tableId } from '../../../src/domain/ids.ts';
import { createFolder, type Folder, type Run } from './harness.ts';

const FILES = ['a.md', 'b.md', 'd/a.md', 'd/e/a.md', 'f/a.md'] as const;
const FOLDERS = ['d', 'd/e', 'f'] as const;
type Step =
  | { readonly do: 'write' | 'append' | 'delete'; readonly file: (typeof FILES)[number]; readonly text: string }
  | { readonly do: 'rename'; readonly from: string; readonly to: string }
  | { readonly do: 'remove-folder'; readonly folder: (typeof FOLDERS)[number] }
  | { readonly do: 'rest'; readonly ms: number }
  | { readonly do: 'crash'; readonly afterCommitting: number };

const file = fc.constantFrom(...FILES);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('write', 'append', 'delete'),
      file,
      text: fc.constantFrom('one', 'two', ''),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rename' as const), from: file, to: file }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('rename' as const),
      from: fc.constantFrom('d', 'f'),
      to: fc.constantFrom('f', 'g'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('remove-folder' as const), folder: fc.constantFrom(...FOLDERS) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rest' as const), ms: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), afterCommitting: fc.nat(3) }) },
);

async function perform(folder: Folder, action: Step): Promise<void> {
  // What cannot be done in the folder's present state is left out.
  const attempt = (work: Promise<unknown>): Promise<unknown> => work.catch(() => undefined);
  if (action.do === 'rest') await new Promise((resolve) => setTimeout(resolve, action.ms));
  if (action.do === 'delete') await attempt(rm(folder.path(action.file)));
  if (action.do === 'remove-folder') await attempt(rm(folder.path(action.folder), { recursive: true }));
  if (action.do === 'rename') await attempt(rename(folder.path(action.from), folder.path(action.to)));
  if (action.do === 'write' || action.do === 'append') {
    const path = folder.path(action.file);
    await attempt(
      mkdir(dirname(path), { recursive: true }).then(() =>
        (action.do === 'write' ? writeFile : appendFile)(path, action.text),
      ),
    );
  }
}

/** What an index holds that keeps the highest version of each key, whatever order they come in. */
function indexOf(deliveries: readonly Delivery[]): ReadonlyMap<string, Row> {
  const heads = new Map<string, { version: number; row: Row | undefined }>();
  for (const { event } of deliveries) {
    if (event.kind !== 'row-upserted' && event.kind !== 'row-deleted') throw new Error(`unexpected ${event.kind}`);
    const head = heads.get(event.key);
    const row = event.kind === 'row-upserted' ? event.row : undefined;
    if (head !== undefined && head.version === event.version) expect(row).toEqual(head.row); // the same version is the same change
    if (head === undefined || head.version < event.version) heads.set(event.key, { version: event.version, row });
  }
  return new Map([...heads].flatMap(([key, { row }]) => (row === undefined ? [] : [[key, row] as const])));
}

describe('a files source under random edits and crashes', () => {
  it('ends with exactly the rows that are in the folder, each change once per version', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        await using folder = await createFolder({ 'a.md': 'start' });
        const durable: Delivery[] = [];
        const options = { settleMs: 2, deleteSettleMs: 5 };
        let run: Run = folder.start({ ...options, commits: false });
        for (const action of steps) {
          if (action.do !== 'crash') {
            await perform(folder, action);
            continue;
          }
          const committed = run.deliveries.slice(0, action.afterCommitting);
          const last = committed.at(-1);
          if (last !== undefined) await run.source.commit([last.position]);
          await run.stop();
          // What was indexed beyond the commit stays indexed: a crash takes the mark back, not the index.
          durable.push(...run.deliveries);
          run = folder.start({ ...options, commits: false });
        }
        await run.stop();
        durable.push(...run.deliveries);
        const final = folder.start(options);
        await final.settle();
        durable.push(...final.deliveries);
        const expected = new Map<string, Row>();
        for await (const { key, row } of final.source.rows(tableId('kb.files'), new AbortController().signal))
          expected.set(key, row);
        expect(new Map([...indexOf(durable)].sort())).toEqual(new Map([...expected].sort()));
        const offsets = final.deliveries.map(({ position }) => position.offset);
        expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => (a < b ? -1 : 1)));
      }),
      { numRuns: 30 },
    );
  });
});
