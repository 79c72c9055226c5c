import type { Head } from '../../src/domain/document.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import { isBelow, type Stamp } from '../../src/domain/version.ts';
import type { DocumentWrite } from '../../src/ports/index-store.ts';
import { chunksOf, type MemoryChunk, type MemoryStore } from './store.ts';

/** One of the four operations of a write. Each is atomic; a crash or another writer may come between two of them. */
export interface WritePart {
  readonly name: 'keep' | 'insert' | 'tombstone' | 'head';
  run(store: MemoryStore): void;
}

/** The guard of every part: what is stored may be replaced when it is absent or below the write's stamp. */
export type Guard = (stored: Stamp | undefined, stamp: Stamp) => boolean;

export const belowOrAbsent: Guard = (stored, stamp) => stored === undefined || isBelow(stored, stamp);

/** In the order that never shows a hole: kept, new, tombstones, and the head last as the commit mark. */
export function writeParts(write: DocumentWrite, guard: Guard = belowOrAbsent): readonly WritePart[] {
  const { head } = write;
  const may = (stored: Stamp | undefined): boolean => guard(stored, head);
  return [
    { name: 'keep', run: (store) => keepChunks(store, write, may) },
    { name: 'insert', run: (store) => insertChunks(store, write, may) },
    { name: 'tombstone', run: (store) => tombstoneChunks(store, head, may) },
    {
      name: 'head',
      run: (store) => {
        if (may(store.heads.get(head.id))) store.heads.set(head.id, head);
      },
    },
  ];
}

type Permission = (stored: Stamp | undefined) => boolean;

/** What a write stamps on every chunk it touches. */
interface Mark extends Stamp {
  readonly sourcePosition?: SourcePosition;
}

function markOf({ version, generation, sourcePosition }: Head): Mark {
  return { version, generation, ...(sourcePosition === undefined ? {} : { sourcePosition }) };
}

function keepChunks(store: MemoryStore, { head, keep }: DocumentWrite, may: Permission): void {
  const chunks = chunksOf(store, head.id);
  for (const id of keep) {
    const stored = chunks.get(id);
    if (stored === undefined || !may(stored)) continue;
    const { sourcePosition: _older, ...rest } = stored;
    chunks.set(id, { ...rest, ...markOf(head), ...placeOf(head), deleted: false });
  }
}

function insertChunks(store: MemoryStore, { head, insert }: DocumentWrite, may: Permission): void {
  const chunks = chunksOf(store, head.id);
  for (const { chunk, vector } of insert) {
    if (!may(chunks.get(chunk.id))) continue;
    chunks.set(chunk.id, {
      id: chunk.id,
      document: head.id,
      text: chunk.text,
      chunk,
      vector,
      ...markOf(head),
      ...placeOf(head),
      deleted: false,
    });
  }
}

function tombstoneChunks(store: MemoryStore, head: Head, may: Permission): void {
  const chunks = chunksOf(store, head.id);
  for (const [id, stored] of chunks) {
    if (!may(stored)) continue;
    chunks.set(id, {
      ...stored,
      version: head.version,
      generation: head.generation,
      // Whose mark the version belongs to: a snapshot's chunk may be tombstoned by the stream.
      partition: head.partition,
      indexedAt: head.indexedAt,
      deleted: true,
    });
  }
}

function placeOf(head: Head): Pick<MemoryChunk, 'attributes' | 'table' | 'partition' | 'committedAt' | 'indexedAt'> {
  const { attributes, table, partition, committedAt, indexedAt } = head;
  return { attributes, table, partition, committedAt, indexedAt };
}
