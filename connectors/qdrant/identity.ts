import { FreshetError } from '../../src/domain/errors.ts';
import { changeMeta } from './meta.ts';
import { DEFAULT_AVERAGE_WORDS, SCHEMA_VERSION } from './schema.ts';
import type { QdrantStore } from './store.ts';

/** What a collection says about itself: whose it is and what may be written to it. */
export interface Identity {
  readonly schema: number;
  readonly embedder: string;
  /** Fixed with the first point: term weights of different constants do not compare. */
  readonly averageWords: number;
  /** Prefix of the catalogue it belongs to, and its name there. */
  readonly catalogue: string | null;
  readonly index: string | null;
}

/**
 * Leaves our mark in an empty collection, or checks the one that is there.
 * Errors: `fatal` INDEX_FOREIGN, INDEX_NEWER, INDEX_EMBEDDER_DIFFERS.
 */
export async function claim(
  store: QdrantStore,
  wanted: Omit<Identity, 'schema' | 'averageWords'> & { readonly averageWords: number | undefined },
  points: number,
  signal: AbortSignal,
): Promise<Identity> {
  const { collection } = store;
  const { fields } = await changeMeta(
    store,
    { kind: 'identity', name: '' },
    ({ revision }) => {
      if (revision > 0) return undefined;
      if (points === 0) {
        return { ...wanted, schema: SCHEMA_VERSION, averageWords: wanted.averageWords ?? DEFAULT_AVERAGE_WORDS };
      }
      throw new FreshetError(
        'INDEX_FOREIGN',
        'fatal',
        `The Qdrant collection "${collection}" holds ${points} points, but no mark of Freshet's: it is somebody else's. Give "index.collection" a name of its own.`,
        { details: { collection, points } },
      );
    },
    signal,
  );
  const found = fields as unknown as Identity;
  if (found.schema > SCHEMA_VERSION) {
    throw new FreshetError(
      'INDEX_NEWER',
      'fatal',
      `The Qdrant collection "${collection}" was written by a newer Freshet (schema ${found.schema}, this one knows ${SCHEMA_VERSION}). Upgrade this instance.`,
      { details: { collection, found: found.schema, known: SCHEMA_VERSION } },
    );
  }
  if (found.embedder !== wanted.embedder) {
    throw new FreshetError(
      'INDEX_EMBEDDER_DIFFERS',
      'fatal',
      `The Qdrant collection "${collection}" holds vectors of another embedder, which do not compare with this one's. Go back to that model, or build a new index beside it (blue/green).`,
      { details: { collection } },
    );
  }
  return found;
}
