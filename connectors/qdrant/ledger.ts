import type { PartitionId, TableId } from '../../src/domain/ids.ts';
import {
  EPOCH_START,
  isLaterTruncation,
  type SourcePosition,
  type Truncation,
} from '../../src/domain/source-position.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Generation, Version } from '../../src/domain/version.ts';
import type { Floor } from '../../src/ports/index-store.ts';
import { all, any, is, ordered, POSITION_KEYS, positionNumbers, within } from './filters.ts';
import { changeMeta, putMeta, readMeta } from './meta.ts';
import { packText, unpackText } from './pack.ts';
import type { Payload } from './points.ts';
import type { QdrantStore } from './store.ts';

/** Records of the ledger that are neither head nor chunk: settings, truncations, floors. */

/** The generation is the place in the list, from 1. Several instances that start with the same settings get the same one. */
export async function registerSettings(
  store: QdrantStore,
  fingerprint: string,
  signal: AbortSignal,
): Promise<Generation> {
  let generation = 0;
  await changeMeta(
    store,
    { kind: 'settings', name: '' },
    ({ fields }) => {
      const list = (fields['list'] as readonly string[] | undefined) ?? [];
      const isLast = list.at(-1) === fingerprint;
      generation = isLast ? list.length : list.length + 1;
      return isLast ? undefined : { list: [...list, fingerprint] };
    },
    signal,
  );
  return generation;
}

/** Only ever raised: the guard is that what is stored covers less. */
export async function raiseTruncation(
  store: QdrantStore,
  table: TableId,
  truncation: Truncation,
  signal: AbortSignal,
): Promise<void> {
  const { epoch, sourcePosition: position } = truncation;
  const numbers = position === EPOCH_START ? [-1, -1, -1] : positionNumbers(position);
  const payload: Payload = { kind: 'truncation', table: packText(table), epoch, pos: position };
  POSITION_KEYS.forEach((key, at) => (payload[key] = numbers[at]!));
  const guard = any(
    within('epoch', { lt: epoch }),
    all(is('epoch', epoch), ordered(POSITION_KEYS, numbers, 'lt', 'lt')),
  );
  await store.write([putMeta('truncation', table, payload, guard)], signal);
}

export function truncationOf(payload: Payload): Truncation {
  return { epoch: payload['epoch'] as number, sourcePosition: payload['pos'] as SourcePosition };
}

const PAGE = 256;

export async function readTruncations(store: QdrantStore, signal: AbortSignal): Promise<Map<TableId, Truncation>> {
  const truncations = new Map<TableId, Truncation>();
  let offset: string | undefined;
  do {
    const page = await store.scroll(
      { filter: all(is('kind', 'truncation')), limit: PAGE, ...(offset === undefined ? {} : { offset }) },
      signal,
    );
    for (const { payload } of page.points) {
      truncations.set(unpackText(payload['table'] as string) as TableId, truncationOf(payload));
    }
    offset = page.next;
  } while (offset !== undefined);
  return truncations;
}

/** Keeps the later of each: a truncation is only ever raised, so what was read once stays true. */
export function mergeTruncations(into: Map<TableId, Truncation>, from: ReadonlyMap<TableId, Truncation>): void {
  for (const [table, truncation] of from) {
    if (isLaterTruncation(truncation, into.get(table))) into.set(table, truncation);
  }
}

export async function readFloor(
  store: QdrantStore,
  partition: PartitionId,
  signal: AbortSignal,
): Promise<Floor | undefined> {
  const { revision, fields } = await readMeta(store, 'floor', partition, signal);
  return revision === 0 ? undefined : floorOf(fields);
}

/** Each of its three parts on its own: a floor is never lowered in any. */
export async function raiseFloor(
  store: QdrantStore,
  partition: PartitionId,
  over: readonly Floor[],
  signal: AbortSignal,
): Promise<void> {
  const change = (fields: Payload | undefined): Payload | undefined => {
    const stored = fields === undefined ? undefined : floorOf(fields);
    const raised = [...(stored === undefined ? [] : [stored]), ...over].reduce(higher);
    const { version, committedAt, sourcePosition } = raised;
    const isSame =
      stored?.version === version && stored.committedAt === committedAt && stored.sourcePosition === sourcePosition;
    return isSame ? undefined : { version, committedAt, position: sourcePosition ?? null };
  };
  await changeMeta(
    store,
    { kind: 'floor', name: partition },
    ({ revision, fields }) => change(revision === 0 ? undefined : fields),
    signal,
  );
}

function floorOf(fields: Payload): Floor {
  const position = fields['position'] as SourcePosition | null;
  return {
    version: fields['version'] as Version,
    committedAt: fields['committedAt'] as number,
    ...(position === null ? {} : { sourcePosition: position }),
  };
}

function higher(a: Floor, b: Floor): Floor {
  const positions = [a.sourcePosition, b.sourcePosition].filter((one) => one !== undefined).sort();
  const position = positions.at(-1);
  return {
    version: Math.max(a.version, b.version) as Version,
    committedAt: Math.max(a.committedAt, b.committedAt),
    ...(position === undefined ? {} : { sourcePosition: position }),
  };
}

/**
 * All instances of an index must pseudonymise with one key, or a document would change with whoever writes it. The first one leaves a
 * mark of its key; `id` is a keyed hash of a fixed text, never the key.
 */
export async function checkKey(store: QdrantStore, id: string, signal: AbortSignal): Promise<void> {
  const { fields } = await changeMeta(
    store,
    { kind: 'key', name: '' },
    ({ revision }) => (revision === 0 ? { id } : undefined),
    signal,
  );
  if (fields['id'] === id) return;
  throw new FreshetError(
    'REDACTION_KEY_DIFFERS',
    'fatal',
    `The collection "${store.collection}" was filled by an instance with another redaction key: the same person would get two pseudonyms. Give every instance the same key, or build a new index.`,
    { details: { collection: store.collection } },
  );
}
