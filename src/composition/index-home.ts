import { openSqliteIndexes } from '../../connectors/sqlite/indexes.ts';
import type { FreshetConfig } from '../config/index.ts';
import type { SharedCheckpoints } from '../ports/checkpoints.ts';
import type { FedIndex, IndexCatalogue, IndexSpec } from '../ports/index-catalogue.ts';
import type { RebuildDeps } from '../services/rebuild.ts';
import { openIndexFiles } from './index-files.ts';
import { openQdrantHome } from './qdrant-home.ts';
import type { Ui } from './ui.ts';

/** An index of the instance, and what its store can do with it besides. */
export interface OpenedIndex {
  readonly index: FedIndex;
  /** Builds it anew beside itself and exchanges the two; absent where the store cannot. */
  readonly rebuilding?: Pick<RebuildDeps, 'openAside' | 'discardAside' | 'swap' | 'watchWrites'>;
  /** Where the damaged index was put, if it was replaced. */
  readonly damagedIndex?: string;
  /** Where instances that share the index agree; absent where it is one's own. */
  readonly shared?: {
    readonly checkpoints: SharedCheckpoints;
    /** Refuses another redaction key than the one that the index was filled with. */
    readonly checkKey: (key: string) => Promise<void>;
  };
}

/** Where the indexes of an instance are. */
export interface IndexHome {
  readonly catalogue: IndexCatalogue;
  /** Whether an index can be opened for another embedder than it was made for, and be filled anew in place. */
  readonly changesEmbedderInPlace: boolean;
  /** Other instances may use the same indexes. */
  readonly isShared: boolean;
  open(name: string, spec: IndexSpec, signal: AbortSignal): Promise<OpenedIndex>;
}

export interface IndexHomeOptions {
  readonly config: FreshetConfig;
  readonly ui: Ui;
  /** With the time of now, a damaged index is put aside and an empty one takes its place; otherwise it is an error. */
  readonly replaceDamagedAt?: number;
}

/** The store that `index` of the configuration names. */
export function openIndexHome(options: IndexHomeOptions, signal: AbortSignal): Promise<IndexHome> {
  const { index } = options.config;
  return index.engine === 'qdrant'
    ? openQdrantHome(index, options.ui, signal)
    : Promise.resolve(openEmbeddedHome(options));
}

function openEmbeddedHome({ config, ui, replaceDamagedAt }: IndexHomeOptions): IndexHome {
  const catalogue = openSqliteIndexes(config.dataDir);
  return {
    catalogue,
    changesEmbedderInPlace: true,
    isShared: false,
    async open(name, spec) {
      const { index, damagedIndex, openAside, discardAside, swap } = await openIndexFiles(catalogue.fileOf(name), {
        ...spec,
        onProgress: ui.indexProgress,
        onLarge: (message) => ui.logger.warn(message),
        ...(replaceDamagedAt === undefined ? {} : { replaceDamagedAt }),
      });
      const rebuilding = { openAside, discardAside, swap, watchWrites: () => index.watchWrites() };
      return { index, rebuilding, ...(damagedIndex === undefined ? {} : { damagedIndex }) };
    },
  };
}
