import { FreshetError } from '../../src/domain/errors.ts';
import type { CatalogueState, FedIndex, IndexCatalogue, IndexSpec } from '../../src/ports/index-catalogue.ts';
import type { Schemas } from '@qdrant/js-client-rest';
import { QdrantCalls } from './client.ts';
import type { Identity } from './identity.ts';
import { openCollection } from './index.ts';
import { readMeta, writeMeta, type MetaRecord } from './meta.ts';
import type { QdrantCatalogueOptions } from './options.ts';
import { ensureRecords } from './schema.ts';
import { QdrantStore } from './store.ts';
import { checkServer } from './version.ts';

/** The collection of one point that says which index answers. No index can have this name. */
const STATE = 'catalogue';
const KEY = { kind: 'catalogue', name: '' } as const;
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const ROLES = ['live', 'candidate', 'previous'] as const;

/**
 * The indexes of a cluster of instances: collections `<prefix>-<name>`, and one point that names the live one. That point is the truth and
 * changes by compare-and-set. The aliases `<prefix>` (live), `<prefix>-candidate` and `<prefix>-previous` follow it, in one request, for
 * whoever else reads the collections; a crash before that is made good by the next change.
 *
 * Errors: those of the index; `stale` CATALOGUE_CHANGED; `poison` INDEX_IN_USE, INDEX_NAME.
 */
export async function openQdrantCatalogue(
  options: QdrantCatalogueOptions,
  signal: AbortSignal = new AbortController().signal,
): Promise<IndexCatalogue> {
  const calls = new QdrantCalls(options);
  try {
    await checkServer(calls, signal);
    const collection = `${options.prefix}-${STATE}`;
    await ensureRecords(calls, collection, options, signal);
    return new QdrantCatalogue(calls, options, new QdrantStore(calls, collection, options.replicas ?? 1));
  } catch (error) {
    await calls[Symbol.asyncDispose]();
    throw error;
  }
}

class QdrantCatalogue implements IndexCatalogue {
  readonly #calls: QdrantCalls;
  readonly #options: QdrantCatalogueOptions;
  readonly #store: QdrantStore;

  constructor(calls: QdrantCalls, options: QdrantCatalogueOptions, store: QdrantStore) {
    this.#calls = calls;
    this.#options = options;
    this.#store = store;
  }

  async open(name: string, spec: IndexSpec, signal: AbortSignal): Promise<FedIndex> {
    const collection = this.#collectionOf(name);
    const ours = { catalogue: this.#options.prefix, index: name };
    const index = await openCollection(this.#calls, { ...this.#options, ...spec, ...ours, collection }, signal);
    // A role may have been given to it before it was made.
    await this.#pointAliases(await this.state(signal), signal);
    return index;
  }

  /** By the mark in each collection: another catalogue's prefix may begin with ours. */
  async list(signal: AbortSignal): Promise<readonly string[]> {
    const { collections } = await this.#calls.call(
      { name: 'getCollections' },
      (api, init) => api.getCollections({}, init),
      signal,
    );
    const { prefix } = this.#options;
    const named = collections.map(({ name }) => name).filter((name) => name.startsWith(`${prefix}-`));
    const found = await Promise.all(
      named.map(async (collection) => {
        const store = new QdrantStore(this.#calls, collection, this.#options.replicas ?? 1);
        const { fields } = await readMeta(store, 'identity', '', signal).catch(missing);
        const { catalogue, index } = fields as Partial<Identity>;
        return catalogue === prefix && typeof index === 'string' ? [index] : [];
      }),
    );
    return found.flat().sort();
  }

  async state(signal: AbortSignal): Promise<CatalogueState> {
    return stateOf(await readMeta(this.#store, KEY.kind, KEY.name, signal));
  }

  async update(
    expectedRevision: number,
    next: Omit<CatalogueState, 'revision'>,
    signal: AbortSignal,
  ): Promise<CatalogueState> {
    const seen = await readMeta(this.#store, KEY.kind, KEY.name, signal);
    if (seen.revision !== expectedRevision) throw changed(expectedRevision, seen.revision);
    const { live, candidate, previous, canaryShare } = next;
    const names = { live: live ?? null, candidate: candidate ?? null, previous: previous ?? null };
    const { taken, stored } = await writeMeta(this.#store, KEY, seen, { ...names, canaryShare }, signal);
    if (!taken) throw changed(expectedRevision, stored.revision);
    // To what stands now: if another was faster with the next change, its aliases are the right ones.
    await this.#pointAliases(stateOf(stored), signal);
    return { live, candidate, previous, canaryShare, revision: expectedRevision + 1 };
  }

  async drop(name: string, signal: AbortSignal): Promise<void> {
    const collection = this.#collectionOf(name);
    const state = await this.state(signal);
    if (ROLES.some((role) => state[role] === name)) {
      throw new FreshetError('INDEX_IN_USE', 'poison', `Index ${name} is in use and cannot be deleted.`, {
        details: { index: name },
      });
    }
    await this.#calls.call(
      { name: 'deleteCollection', collection },
      (api, init) => api.deleteCollection({ collection_name: collection }, init),
      signal,
      'write',
    );
  }

  /**
   * All three in one request: whoever resolves them sees the state before or after. A name is given its role before its collection is made;
   * its alias waits for that.
   */
  async #pointAliases(state: CatalogueState, signal: AbortSignal): Promise<void> {
    const { prefix } = this.#options;
    const [{ aliases }, { collections }] = await Promise.all([
      this.#calls.call({ name: 'getCollectionsAliases' }, (api, init) => api.getCollectionsAliases({}, init), signal),
      this.#calls.call({ name: 'getCollections' }, (api, init) => api.getCollections({}, init), signal),
    ]);
    const made = new Set(collections.map(({ name }) => name));
    const standing = new Map(aliases.map(({ alias_name, collection_name }) => [alias_name, collection_name]));
    const actions = ROLES.flatMap((role): Schemas['AliasOperations'][] => {
      const alias = role === 'live' ? prefix : `${prefix}-${role}`;
      const wanted = state[role] === undefined ? undefined : this.#collectionOf(state[role]);
      const target = wanted !== undefined && made.has(wanted) ? wanted : undefined;
      if (standing.get(alias) === target) return [];
      const remove = { delete_alias: { alias_name: alias } };
      const create = target === undefined ? [] : [{ create_alias: { alias_name: alias, collection_name: target } }];
      return [...(standing.has(alias) ? [remove] : []), ...create];
    });
    if (actions.length === 0) return;
    await this.#calls.call(
      { name: 'updateAliases' },
      (api, init) => api.updateAliases({ actions }, init),
      signal,
      'write',
    );
  }

  #collectionOf(name: string): string {
    if (NAME.test(name) && name !== STATE && !ROLES.some((role) => role === name)) {
      return `${this.#options.prefix}-${name}`;
    }
    throw new FreshetError(
      'INDEX_NAME',
      'poison',
      `"${name}" is no name for an index: lower-case letters, digits, "-" and "_", and none of ${[STATE, ...ROLES].join(', ')}.`,
      { details: { index: name } },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#calls[Symbol.asyncDispose]();
  }
}

const NOTHING: MetaRecord = { revision: 0, fields: {}, marks: [] };

/** A collection dropped since it was listed is in no list. */
function missing(error: unknown): MetaRecord {
  if (error instanceof FreshetError && error.code === 'INDEX_COLLECTION_MISSING') return NOTHING;
  throw error;
}

function stateOf({ revision, fields }: MetaRecord): CatalogueState {
  const name = (role: (typeof ROLES)[number]): string | undefined =>
    (fields[role] as string | null | undefined) ?? undefined;
  return {
    live: name('live'),
    candidate: name('candidate'),
    previous: name('previous'),
    canaryShare: (fields['canaryShare'] as number | undefined) ?? 0,
    revision,
  };
}

function changed(expected: number, found: number): FreshetError {
  return new FreshetError(
    'CATALOGUE_CHANGED',
    'stale',
    'Which index answers was changed meanwhile. Look at "freshet index status", then ask again.',
    { details: { expected, found } },
  );
}
