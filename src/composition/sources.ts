import { createPostgresSource } from '../../connectors/postgres/source.ts';
import { createPushedElsewhere, type PushedElsewhere } from '../../connectors/pushed/elsewhere.ts';
import { createPushedSource, type PushedSource } from '../../connectors/pushed/source.ts';
import type { Wakeup } from '../../connectors/pushed/wakeup.ts';
import { createFilesSource } from '../../connectors/files/index.ts';
import {
  qualifiedTable,
  replicationNames,
  toFilesMapping,
  toTableMappings,
  type EmbeddedPostgresSourceConfig,
  type FilesSourceConfig,
  type FreshetConfig,
  type PostgresSourceConfig,
} from '../config/index.ts';
import { keyValues, pushedDocumentId, rowDocumentId, tableId, tenantId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import type { Observer } from '../observability/events.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Clock } from '../ports/clock.ts';
import type { PushedLog } from '../ports/pushed-log.ts';
import type { RowLookup, RowScan } from '../ports/rows.ts';
import type { FullSource } from '../services/live-source.ts';
import { fingerprintedCheckpoints } from './fingerprinted-checkpoints.ts';
import { openKafka } from './kafka-source.ts';
import type { OpenSource } from './pipelines.ts';
import type { Retired } from './retire.ts';
import { tableFingerprint, type SettingsParts } from './settings.ts';

/** What every source is built from. */
export interface SourceParts {
  readonly checkpoints: Checkpoints;
  readonly settings: SettingsParts;
  readonly retired: Retired;
  readonly clock: Clock;
  readonly observer: Observer;
  /** For large transactions. */
  readonly spoolFolder: string;
  /**
   * Of the index that is fed: what the names of its own slots, publications and consumer groups end in, so that each index has its own
   * position at every source. Empty for the first one.
   */
  readonly suffix: string;
}

/** The log of pushed documents, and how those who read it for their index hear of a new one. */
export interface PushedDocumentsLog {
  readonly log: PushedLog;
  readonly written: Wakeup;
}

export const PUSH_SOURCE = 'push';

/** Every source of the configuration. */
export function openConfigured(
  config: FreshetConfig,
  connectionOf: (source: PostgresSourceConfig | EmbeddedPostgresSourceConfig) => string,
  parts: SourceParts,
): readonly OpenSource[] {
  return Object.entries(config.sources).map(([name, source]) =>
    source.type === 'files'
      ? openFiles(name, source, parts)
      : source.type === 'kafka'
        ? openKafka(name, source, parts)
        : openPostgres(name, source, connectionOf(source), parts),
  );
}

function openPostgres(
  name: string,
  config: PostgresSourceConfig | EmbeddedPostgresSourceConfig,
  connectionString: string,
  parts: SourceParts,
): OpenSource {
  const mappings = toTableMappings(name, config.tables);
  const relations = Object.keys(config.tables).map(qualifiedTable);
  const { slot, publication } = replicationNames(name, config, parts.suffix);
  const source = createPostgresSource({
    name,
    connectionString,
    slot,
    publication,
    tables: mappings.map((mapping, at) => ({
      id: mapping.table,
      relation: relations[at] as string,
      fingerprint: tableFingerprint(mapping, { ...parts.settings, retired: parts.retired[mapping.table] }),
      ...(mapping.key === undefined ? {} : { key: mapping.key }),
    })),
    checkpoints: parts.checkpoints,
    clock: parts.clock,
    observer: parts.observer,
    limits: {
      spoolFolder: parts.spoolFolder,
      chunkBytes: config.snapshotChunkBytes,
      retainedWalWarnBytes: config.retainedWalWarning,
    },
  });
  return {
    ...rowsOf(source),
    mappings,
    documentId: (table, key) => rowDocumentId(name, table, key),
    isPostgres: true,
    replay: async (from) => (await source.replay(from)).message,
  };
}

function openFiles(name: string, config: FilesSourceConfig, parts: SourceParts): OpenSource {
  const mapping = toFilesMapping(name, config);
  const { format } = config;
  const source = createFilesSource({
    name,
    root: config.path,
    include: config.include,
    exclude: config.exclude,
    uriPrefix: config.uri,
    maxFileBytes: config.maxFileBytes,
    settleMs: config.settle,
    ...(format === undefined ? {} : { format }),
    columns: { access: config.access },
    checkpoints: parts.checkpoints,
    settingsFingerprint: tableFingerprint(mapping, {
      ...parts.settings,
      access: config.access.join(),
      retired: parts.retired[mapping.table],
    }),
    clock: parts.clock,
    observer: parts.observer,
  });
  return {
    ...rowsOf(source),
    mappings: [mapping],
    documentId: (table, key) => rowDocumentId(name, table, key),
    isPostgres: false,
    replay: (from) => source.replay(from),
  };
}

/** A source that reads its own rows. */
const rowsOf = <S extends FullSource & RowLookup & RowScan>(
  source: S,
): Pick<OpenSource, 'rowLookup' | 'rowScan'> & { readonly source: S } => ({
  source,
  rowLookup: source,
  rowScan: source,
});

export function openPushed(
  pushed: PushedDocumentsLog,
  parts: SourceParts,
): OpenSource & { readonly source: PushedSource } {
  const mapping = pushedMapping();
  const source = createPushedSource({
    ...pushed,
    name: PUSH_SOURCE,
    checkpoints: fingerprintedCheckpoints(parts.checkpoints, tableFingerprint(mapping, parts.settings)),
    clock: parts.clock,
  });
  return {
    ...rowsOf(source),
    mappings: [mapping],
    documentId: pushedDocumentOf,
    isPostgres: false,
  };
}

/** The documents are pushed to another instance, which reads them into the same index. */
export function openPushedElsewhere(parts: SourceParts): OpenSource & { readonly source: PushedElsewhere } {
  const mapping = pushedMapping();
  const checkpoints = fingerprintedCheckpoints(parts.checkpoints, tableFingerprint(mapping, parts.settings));
  return {
    source: createPushedElsewhere({ name: PUSH_SOURCE, checkpoints, clock: parts.clock }),
    mappings: [mapping],
    documentId: pushedDocumentOf,
    isPostgres: false,
    rowsMissing: 'Pushed documents are kept by another instance ("server.pushes: refuse"): ask that one.',
  };
}

const pushedDocumentOf: OpenSource['documentId'] = (_table, key) => {
  const [tenant, id] = keyValues(key);
  return pushedDocumentId(tenantId(String(tenant)), String(id));
};

/** The rows of pushed documents carry their attributes themselves, redacted before they were stored. */
function pushedMapping(): TableMapping {
  return {
    table: tableId(`${PUSH_SOURCE}.documents`),
    text: '{text}',
    title: '{title}',
    uri: '{uri}',
    tenant: { column: 'tenant' },
    access: { column: 'access' },
    metadata: {},
    metadataFrom: 'metadata',
    format: { column: 'format' },
    columns: {},
  };
}
