import { randomUUID } from 'node:crypto';
import { FreshetError } from '../../src/domain/errors.ts';
import { all, is, type Filter } from './filters.ts';
import { metaId, type MetaKind } from './ids.ts';
import type { Payload } from './points.ts';
import type { QdrantStore } from './store.ts';

/** A record of its own in the ledger, changed by compare-and-set. */
export interface MetaRecord {
  /** 0: not there yet. */
  readonly revision: number;
  readonly fields: Payload;
  /** Marks of the last writes, the latest last. */
  readonly marks: readonly string[];
}

/** So many writes may come between a write and its writer's look at what became of it. */
const MARKS_MAX = 32;

/** More rounds than any number of instances that start at once need. */
const ROUNDS_MAX = 100;

export async function readMeta(
  store: QdrantStore,
  kind: MetaKind,
  name: string,
  signal: AbortSignal,
): Promise<MetaRecord> {
  const [found] = await store.retrieve([metaId(kind, name)], signal);
  if (found === undefined) return { revision: 0, fields: {}, marks: [] };
  const { revision, marks, ...fields } = found.payload;
  return { revision: revision as number, fields, marks: marks as readonly string[] };
}

/**
 * Writes the record if it is still as it was read, and says whether that write was taken. One that came too late is answered like one that
 * was taken, and an answer may be lost: so each write leaves a mark of its own and is looked for afterwards.
 */
export async function writeMeta(
  store: QdrantStore,
  { kind, name }: { readonly kind: MetaKind; readonly name: string },
  seen: MetaRecord,
  fields: Payload,
  signal: AbortSignal,
): Promise<{ readonly taken: boolean; readonly stored: MetaRecord }> {
  const mark = randomUUID();
  const marks = [...seen.marks, mark].slice(-MARKS_MAX);
  const payload = { ...fields, kind, name: JSON.stringify(name), revision: seen.revision + 1, marks };
  await store.write([putMeta(kind, name, payload, all(is('revision', seen.revision)))], signal);
  const stored = await readMeta(store, kind, name, signal);
  return { taken: stored.marks.includes(mark), stored };
}

/** The operation alone. `guard` holds for a record that is there; one that is not is always made. */
export function putMeta(
  kind: MetaKind,
  name: string,
  payload: Payload,
  guard: Filter,
): Parameters<QdrantStore['write']>[0][number] {
  return { upsert: { points: [{ id: metaId(kind, name), vector: {}, payload }], update_filter: guard } };
}

/**
 * Changes a record until no one else was faster.
 * @param next the new fields, or undefined when what is stored will do
 */
export async function changeMeta(
  store: QdrantStore,
  key: { readonly kind: MetaKind; readonly name: string },
  next: (stored: MetaRecord) => Payload | undefined,
  signal: AbortSignal,
): Promise<MetaRecord> {
  let stored = await readMeta(store, key.kind, key.name, signal);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const fields = next(stored);
    if (fields === undefined) return stored;
    const written = await writeMeta(store, key, stored, fields, signal);
    stored = written.stored;
    if (written.taken) return stored;
  }
  throw new FreshetError(
    'INDEX_CONTENDED',
    'transient',
    `The ${key.kind} record of the collection "${store.collection}" was changed by others ${ROUNDS_MAX} times in a row.`,
    { details: { kind: key.kind, collection: store.collection } },
  );
}
