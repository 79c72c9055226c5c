import type { Schemas } from '@qdrant/js-client-rest';
import { FreshetError, kindOf } from '../../src/domain/errors.ts';
import type { QdrantCalls } from './client.ts';
import { PREFIX_KEYS } from './metadata.ts';
import type { QdrantCollectionOptions } from './options.ts';

/** What every collection of ours has, whatever its options. Counted up when a reader of the old shape could not use the new one. */
export const SCHEMA_VERSION = 1;
export const DEFAULT_AVERAGE_WORDS = 150;

type Info = Schemas['CollectionInfo'];
type FieldSchema = Schemas['PayloadFieldSchema'];

const INTEGER: FieldSchema = { type: 'integer', lookup: true, range: true };
const RANGE: FieldSchema = { type: 'integer', lookup: false, range: true };

/**
 * Payload keys with an index, made before the first point: an index that comes later blocks writes, and its filters miss the graph. Every
 * key that any filter of ours names is here: a server in strict mode refuses the others.
 */
const FIELDS: Readonly<Record<string, FieldSchema>> = {
  tenant: { type: 'keyword', is_tenant: true },
  kind: 'keyword',
  doc: 'keyword',
  docn: RANGE,
  table: 'keyword',
  partition: 'keyword',
  ver: INTEGER,
  gen: INTEGER,
  deleted: 'bool',
  access: 'keyword',
  open: 'bool',
  committed: 'float',
  indexed: 'float',
  updated_at: 'datetime',
  pos1: RANGE,
  pos2: RANGE,
  pos3: RANGE,
  has: 'keyword',
  'numbers[].field': 'keyword',
  'numbers[].value': 'float',
  'texts[].field': 'keyword',
  ...Object.fromEntries(PREFIX_KEYS.map((key): [string, FieldSchema] => [`texts[].${key}`, RANGE])),
  epoch: INTEGER,
  revision: INTEGER,
};

export interface CollectionSpec {
  readonly collection: string;
  readonly dimensions: number;
  readonly options: QdrantCollectionOptions;
  readonly onMessage: (message: string) => void;
}

/**
 * The collection as it must be: made when it is missing, its payload indexes completed, and refused with what is wrong when its vectors are
 * not ours. Several instances may do this at once.
 * Errors: `fatal` INDEX_FOREIGN, INDEX_DIMENSIONS, INDEX_NAME_IS_ALIAS.
 */
export async function ensureCollection(calls: QdrantCalls, spec: CollectionSpec, signal: AbortSignal): Promise<Info> {
  let info = await findCollection(calls, spec.collection, signal);
  if (info === undefined) {
    await createCollection(calls, spec.collection, collectionRequest(spec), signal);
    spec.onMessage(`Made the Qdrant collection "${spec.collection}" (${spec.dimensions} dimensions).`);
    info = await getCollection(calls, spec.collection, signal);
  }
  checkVectors(info, spec);
  const missing = Object.entries(FIELDS).filter(([field]) => !isIndexed(info, field));
  await Promise.all(missing.map((one) => createIndex(calls, spec.collection, one, signal)));
  if (missing.length > 0 && (info.points_count ?? 0) > 0) {
    spec.onMessage(
      `Made ${missing.length} missing payload indexes of the Qdrant collection "${spec.collection}" (${missing.map(([field]) => field).join(', ')}); searches are slower until they are built.`,
    );
  }
  return info;
}

/** Asked by name: a key for some collections only may not list them all. */
export async function findCollection(calls: QdrantCalls, name: string, signal: AbortSignal): Promise<Info | undefined> {
  const { exists } = await calls.call(
    { name: 'collectionExists', collection: name },
    (api, init) => api.collectionExists({ collection_name: name }, init),
    signal,
  );
  return exists ? getCollection(calls, name, signal) : undefined;
}

const getCollection = (calls: QdrantCalls, collection: string, signal: AbortSignal): Promise<Info> =>
  calls.call(
    { name: 'getCollection', collection },
    (api, init) => api.getCollection({ collection_name: collection }, init),
    signal,
  );

/** Another instance may be faster, and a lost answer may hide that we were: whatever the refusal, what counts is that it is there. */
export async function createCollection(
  calls: QdrantCalls,
  collection: string,
  request: Schemas['CreateCollection'],
  signal: AbortSignal,
): Promise<void> {
  try {
    await calls.call(
      { name: 'createCollection', collection },
      (api, init) => api.createCollection({ collection_name: collection, ...request }, init),
      signal,
    );
  } catch (error) {
    if (kindOf(error) !== 'poison' || (await findCollection(calls, collection, signal)) === undefined)
      throw refused(error);
  }

  function refused(error: unknown): unknown {
    if (kindOf(error) !== 'poison' || !(error instanceof FreshetError)) return error;
    return new FreshetError(
      'INDEX_NOT_CREATED',
      'fatal',
      `Qdrant refused to make the collection "${collection}" (status ${String(error.details['status'])}). Check that "shards" and "replicas" fit the cluster and that no alias has this name.`,
      { details: { ...error.details, collection } },
    );
  }
}

function collectionRequest({ dimensions, options }: CollectionSpec): Schemas['CreateCollection'] {
  const { shards = 1, replicas = 1, quantization = 'none', onDisk = false, hnsw } = options;
  const { writeConsistency = Math.floor(replicas / 2) + 1 } = options;
  return {
    vectors: { dense: { size: dimensions, distance: 'Cosine', on_disk: onDisk } },
    sparse_vectors: { bm25: { modifier: 'idf' }, title: { modifier: 'idf' } },
    shard_number: shards,
    replication_factor: replicas,
    write_consistency_factor: writeConsistency,
    ...(hnsw === undefined
      ? {}
      : {
          hnsw_config: {
            ...(hnsw.m === undefined ? {} : { m: hnsw.m }),
            ...(hnsw.efConstruct === undefined ? {} : { ef_construct: hnsw.efConstruct }),
          },
        }),
    ...(quantization === 'none' ? {} : { quantization_config: QUANTIZATION[quantization] }),
  };
}

/** Compressed vectors stay in memory: they are what the first pass reads. */
const QUANTIZATION: Readonly<Record<'scalar' | 'binary', Schemas['QuantizationConfig']>> = {
  scalar: { scalar: { type: 'int8', quantile: 0.99, always_ram: true } },
  binary: { binary: { always_ram: true } },
};

function checkVectors(info: Info, { collection, dimensions }: CollectionSpec): void {
  const { vectors, sparse_vectors: sparse } = info.config.params;
  const dense =
    vectors === undefined ? undefined : (vectors as Record<string, Schemas['VectorParams'] | undefined>)['dense'];
  const problems = [
    ...(typeof dense === 'object' ? [] : ['it has no vector named "dense"']),
    ...(typeof dense !== 'object' || dense.distance === 'Cosine'
      ? []
      : [`its distance is ${dense.distance} and not Cosine`]),
    ...['bm25', 'title'].flatMap((name) => {
      const params = sparse?.[name];
      if (params === undefined) return [`it has no sparse vector named "${name}"`];
      return params.modifier === 'idf' ? [] : [`its sparse vector "${name}" has no modifier "idf"`];
    }),
  ];
  if (problems.length > 0) {
    throw new FreshetError(
      'INDEX_FOREIGN',
      'fatal',
      `The Qdrant collection "${collection}" was not made by Freshet: ${problems.join(', ')}. Give "index.collection" a name of its own, or delete the collection if nobody needs it.`,
      { details: { collection, problems: problems.length } },
    );
  }
  if (dense?.size === dimensions) return;
  throw new FreshetError(
    'INDEX_DIMENSIONS',
    'fatal',
    `The Qdrant collection "${collection}" holds vectors of ${dense?.size} dimensions, the embedder makes ${dimensions}. Go back to the model it was filled with, or build a new index beside it (blue/green).`,
    { details: { collection, found: dense?.size, expected: dimensions } },
  );
}

const isIndexed = (info: Info, field: string): boolean => info.payload_schema[field] !== undefined;

async function createIndex(
  calls: QdrantCalls,
  collection: string,
  [field, schema]: readonly [string, FieldSchema],
  signal: AbortSignal,
): Promise<void> {
  await calls.call(
    { name: 'createFieldIndex', collection },
    (api, init) =>
      api.createFieldIndex({ collection_name: collection, wait: true, field_name: field, field_schema: schema }, init),
    signal,
    'write',
  );
}

/** A collection of records alone: no vectors, and the one key that guards them. */
export async function ensureRecords(
  calls: QdrantCalls,
  collection: string,
  { replicas = 1, writeConsistency = Math.floor(replicas / 2) + 1 }: QdrantCollectionOptions,
  signal: AbortSignal,
): Promise<void> {
  let info = await findCollection(calls, collection, signal);
  if (info === undefined) {
    const copies = { replication_factor: replicas, write_consistency_factor: writeConsistency };
    await createCollection(calls, collection, { vectors: {}, shard_number: 1, ...copies }, signal);
    info = await getCollection(calls, collection, signal);
  }
  if (!isIndexed(info, 'revision')) await createIndex(calls, collection, ['revision', INTEGER], signal);
}
