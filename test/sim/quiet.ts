import { chunkId } from '../../src/domain/ids.ts';
import type { SearchHit } from '../../src/domain/search.ts';
import type { Index } from '../../src/ports/index-store.ts';
import type { DeadLetters } from '../../src/ports/dead-letters.ts';
import type { MemoryStore } from '../../connectors/memory/store.ts';
import type { History, Key } from './history.ts';
import { everything } from './reader.ts';
import { splitText, textOf, titleOf, type Settings, type SimRow, type Tenant } from './rows.ts';
import { Violation, type SimLog } from './world.ts';

interface Expected {
  readonly id: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What a rebuild from scratch would hold of a row. */
function rebuilt(key: Key, row: SimRow | undefined, { embedder, chunker }: Settings): readonly Expected[] {
  if (row?.published !== true) return [];
  const seen = new Map<string, number>();
  return splitText(textOf(row), chunker + 1).map(({ text, start, end }) => {
    const occurrence = seen.get(text) ?? 0;
    seen.set(text, occurrence + 1);
    return { id: chunkId(key.document, `e${embedder}`, text, occurrence), text, start, end };
  });
}

export interface QuietWorld {
  readonly history: History;
  readonly log: SimLog;
  readonly settings: Settings;
  readonly index: Index;
  readonly store: MemoryStore;
  readonly deadLetters: DeadLetters;
  /** The embedder's poison was cured and every dead letter retried: only what the redactor refuses is left. */
  readonly retried: boolean;
}

/**
 * Invariant 2: when the stream is quiet the index equals a rebuild from the source's current rows; and invariant 8: what cannot be indexed
 * is among the dead letters.
 */
export async function checkQuiet(when: string, world: QuietWorld): Promise<void> {
  const { history, log, settings, index, deadLetters } = world;
  const signal = new AbortController().signal;
  const shownTo = async (tenant: Tenant): Promise<readonly (SearchHit & { readonly tenant: Tenant })[]> =>
    (await index.search(everything(tenant), signal)).map((hit) => ({ ...hit, tenant }));
  const hits = [...(await shownTo('A')), ...(await shownTo('B'))];
  const letters = new Set((await deadLetters.list({ limit: 1_000 })).map((letter) => letter.document));
  for (const key of history.keys) {
    const { row } = log.current(key.number);
    if (isUnindexable(row, world)) {
      if (!letters.has(key.document))
        throw new Violation('8', `${when}: row ${key.number} is poison and has no dead letter`);
      continue;
    }
    const shown = hits
      .filter((hit) => hit.document === key.document)
      .map(
        (hit) =>
          `${hit.tenant} ${hit.start}-${hit.end} "${hit.text}" ${hit.chunk} ${hit.title} ${String(hit.metadata.note)}`,
      );
    const expected = rebuilt(key, row, settings).map(
      ({ id, text, start, end }) =>
        `${row?.tenant} ${start}-${end} "${text}" ${id} ${titleOf(row as SimRow, settings.mapping)} ${row?.note}`,
    );
    if (shown.sort().join('\n') !== expected.sort().join('\n')) {
      const lists = `shows\n  ${shown.join('\n  ')}\ninstead of\n  ${expected.join('\n  ')}`;
      throw new Violation('2', `${when}: row ${key.number} ${lists}`);
    }
    await checkDocument(when, key, row, world);
  }
}

/** Reading one document whole gives its chunks in order. */
async function checkDocument(
  when: string,
  key: Key,
  row: SimRow | undefined,
  { index, settings }: QuietWorld,
): Promise<void> {
  const expected = rebuilt(key, row, settings).map((chunk) => chunk.id);
  for (const tenant of ['A', 'B'] as const) {
    const query = everything(tenant);
    const document = await index.document(key.document, query.tenant, new AbortController().signal);
    const ids = document?.chunks.map((chunk) => chunk.id as string) ?? [];
    const wanted = row?.tenant === tenant ? expected : [];
    if (ids.join() === wanted.join()) continue;
    throw new Violation('2', `${when}: document of row ${key.number} reads [${ids.join()}], not [${wanted.join()}]`);
  }
}

/** After the sweeps nothing is stored that no reader needs. */
export function checkSwept(when: string, world: QuietWorld): void {
  const { history, log, settings, store } = world;
  for (const key of history.keys) {
    const { row } = log.current(key.number);
    if (isUnindexable(row, world)) continue;
    const stored = [...(store.chunks.get(key.document)?.keys() ?? [])].sort();
    const expected = rebuilt(key, row, settings)
      .map((chunk) => chunk.id)
      .sort();
    if (stored.join() !== expected.join()) {
      throw new Violation('2', `${when}: row ${key.number} stores [${stored.join()}], not [${expected.join()}]`);
    }
    if (row === undefined && store.heads.has(key.document)) {
      throw new Violation('2', `${when}: the tombstone of row ${key.number} was never swept`);
    }
  }
}

function isUnindexable(row: SimRow | undefined, { retried }: QuietWorld): boolean {
  if (row?.poison === undefined) return false;
  // A record that cannot be decoded does not get as far as the filter.
  if (row.poison === 'decode') return !retried;
  return row.published && (row.poison === 'redact' || !retried);
}
