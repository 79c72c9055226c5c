import { createHmac } from 'node:crypto';
import { openQdrantCatalogue } from '../../connectors/qdrant/catalogue.ts';
import type { QdrantIndex } from '../../connectors/qdrant/index.ts';
import type { QdrantCatalogueOptions } from '../../connectors/qdrant/options.ts';
import type { QdrantIndexConfig } from '../config/index.ts';
import { systemClock } from '../runtime/clock.ts';
import type { IndexHome } from './index-home.ts';
import { patiently } from './patiently.ts';
import { pemOf } from './tls.ts';
import type { Ui } from './ui.ts';

/** Indexes on a Qdrant server: shared by all instances, and built anew beside the live one only. */
export async function openQdrantHome(config: QdrantIndexConfig, ui: Ui, signal: AbortSignal): Promise<IndexHome> {
  const options = catalogueOptions(config, (message) => ui.logger.info(message));
  const waiting = <T>(open: () => Promise<T>, cancel: AbortSignal): Promise<T> =>
    patiently(`Qdrant at ${new URL(config.url).host}`, open, ui, cancel);
  const catalogue = await waiting(() => openQdrantCatalogue(options, signal), signal);
  return {
    catalogue,
    changesEmbedderInPlace: false,
    isShared: true,
    async open(name, spec, cancel) {
      // What the catalogue opens is an index of its own kind.
      const index = (await waiting(() => catalogue.open(name, spec, cancel), cancel)) as QdrantIndex;
      return { index, shared: { checkpoints: index, checkKey: (key) => checkKeyOf(index, key, cancel) } };
    },
  };
}

export function catalogueOptions(
  config: QdrantIndexConfig,
  onMessage: (message: string) => void,
): QdrantCatalogueOptions {
  const { url, apiKey, ca, collection, timeout, concurrency, shards, replicas, writeConsistency } = config;
  const { quantization, onDisk } = config;
  return {
    url,
    prefix: collection,
    timeoutMs: timeout,
    concurrency,
    shards,
    replicas,
    quantization,
    onDisk,
    clock: systemClock,
    onMessage,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(ca === undefined ? {} : { ca: pemOf(ca, 'index.ca') }),
    ...(writeConsistency === undefined ? {} : { writeConsistency }),
  };
}

const KEY_TEXT = 'freshet redaction key';

/** Two keys give two hashes of the same text; the key cannot be told from either. */
const checkKeyOf = (index: QdrantIndex, key: string, signal: AbortSignal): Promise<void> =>
  index.checkKey(createHmac('sha256', key).update(KEY_TEXT).digest('hex').slice(0, 32), signal);
