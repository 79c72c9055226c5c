import { createHash } from 'node:crypto';
import type { Head } from '../../domain/document.ts';
import type { DocumentId, TableId } from '../../domain/ids.ts';
import type { Truncation } from '../../domain/source-position.ts';
import { isTruncated, judge } from '../../domain/visibility.ts';
import type { Index, StoredChunk } from '../../ports/index-store.ts';
import type { StoredDigest, StoredState } from './compare.ts';

/** 64 bits: enough to tell an accidental difference, small enough for a whole index in memory. */
export const textHash = (text: string): string => createHash('sha256').update(text).digest('base64').slice(0, 12);

const digest = ({ id, text, attributes }: StoredChunk): StoredDigest => ({ id, textHash: textHash(text), attributes });

/** Everything the index shows, by document, and a random sample of chunks with their vectors. */
export interface StoredIndex {
  readonly states: ReadonlyMap<DocumentId, StoredState>;
  readonly chunks: number;
  readonly sample: readonly StoredChunk[];
}

export async function readStored(
  index: Index,
  options: { readonly vectorSample: number; readonly random: () => number },
  signal: AbortSignal,
): Promise<StoredIndex> {
  const heads = new Map<DocumentId, Head>();
  const truncations = await index.truncations(signal);
  for await (const head of index.scanHeads({}, signal)) heads.set(head.id, head);
  const chunks = new Map<DocumentId, StoredDigest[]>();
  const sample: StoredChunk[] = [];
  let count = 0;
  for await (const chunk of index.scanChunks({ vectors: options.vectorSample > 0 }, signal)) {
    const head = heads.get(chunk.document);
    if (!isShown(chunk, head, head && truncations.get(head.table))) continue;
    count += 1;
    const list = chunks.get(chunk.document) ?? [];
    list.push(digest(chunk));
    chunks.set(chunk.document, list);
    reservoir(sample, chunk, count, options);
  }
  const ids = new Set([...heads.keys(), ...chunks.keys()]);
  const states = [...ids].map((id) => {
    const head = untruncated(heads.get(id), truncations);
    return [id, { head, chunks: chunks.get(id) ?? [] }] as const;
  });
  return { states: new Map(states), chunks: count, sample };
}

/**
 * What readers show is what counts. Where writes are no transactions, an instance that was frozen in the middle of one leaves chunks below
 * their head when it comes back: nobody sees them, and the sweeper takes them. A chunk its head lists and readers do not show is missing.
 */
function isShown(chunk: StoredChunk, head: Head | undefined, truncation: Truncation | undefined): boolean {
  return judge(chunk, head, truncation) === 'show';
}

/** Readers hide what a truncation covers at once; until a sweep has buried it, it is stored all the same. */
function untruncated(head: Head | undefined, truncations: ReadonlyMap<TableId, Truncation>): Head | undefined {
  return head === undefined || isTruncated(head, truncations.get(head.table)) ? undefined : head;
}

/** Algorithm R (Vitter 1985): every chunk seen has the same chance to be in the sample. */
function reservoir(
  sample: StoredChunk[],
  chunk: StoredChunk,
  seen: number,
  { vectorSample, random }: { readonly vectorSample: number; readonly random: () => number },
): void {
  if (sample.length < vectorSample) sample.push(chunk);
  else {
    const at = Math.floor(random() * seen);
    if (at < vectorSample) sample[at] = chunk;
  }
}

export async function readOne(index: Index, id: DocumentId, signal: AbortSignal): Promise<StoredState> {
  const head = (await index.heads([id], signal)).get(id);
  const truncations = await index.truncations(signal);
  const truncation = head === undefined ? undefined : truncations.get(head.table);
  const chunks: StoredDigest[] = [];
  for await (const chunk of index.scanChunks({ vectors: false, document: id }, signal)) {
    if (chunk.document === id && isShown(chunk, head, truncation)) chunks.push(digest(chunk));
  }
  return { head: untruncated(head, truncations), chunks };
}
