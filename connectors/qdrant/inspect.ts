import { QdrantCalls } from './client.ts';
import type { QdrantConnection } from './options.ts';
import { checkServer } from './version.ts';

/** What a server says of an index, for `freshet doctor`. */
export interface QdrantFindings {
  readonly version: string;
  /** Collections whose names begin with the prefix. */
  readonly collections: readonly { readonly name: string; readonly points: number; readonly status: string }[];
}

/** Only looks. @throws transient INDEX_UNREACHABLE, fatal INDEX_UNAUTHORIZED, INDEX_SERVER_OLD */
export async function inspectQdrant(
  connection: QdrantConnection,
  prefix: string,
  signal: AbortSignal,
): Promise<QdrantFindings> {
  const calls = new QdrantCalls({ ...connection, retries: 0 });
  try {
    await checkServer(calls, signal);
    const version = await calls.version(signal);
    const { collections } = await calls.call(
      { name: 'getCollections' },
      (api, init) => api.getCollections({}, init),
      signal,
    );
    const ours = collections.map(({ name }) => name).filter((name) => name.startsWith(`${prefix}-`));
    const found = ours.map(async (collection) => {
      const info = await calls.call(
        { name: 'getCollection', collection },
        (api, init) => api.getCollection({ collection_name: collection }, init),
        signal,
      );
      return { name: collection, points: info.points_count ?? 0, status: info.status };
    });
    return { version, collections: await Promise.all(found) };
  } finally {
    await calls[Symbol.asyncDispose]();
  }
}
