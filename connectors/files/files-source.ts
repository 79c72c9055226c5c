import type { Delivery, Position, Row } from '../../src/domain/change.ts';
import { abortedError, FreshetError, kindOf, throwIfAborted } from '../../src/domain/errors.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import type { RowLookup, RowScan } from '../../src/ports/rows.ts';
import type { Source, SourceFreshness, TokenSource } from '../../src/ports/source.ts';
import { filesPartition, filesTable } from './deliveries.ts';
import { FolderReader } from './folder-reader.ts';
import { Ledger } from './ledger.ts';
import { withDefaults, type FilesSourceOptions } from './options.ts';
import { createPathRules, keyPath, pathKey } from './paths.ts';
import { readText } from './read-text.ts';
import { Troubles } from './report.ts';
import { findRoot } from './root.ts';
import { fileRow } from './row.ts';
import { walk } from './walk.ts';

/**
 * A folder of Markdown, HTML and text files as the rows of one table, `<name>.files`: columns `path, title, text, format, modifiedAt, uri`,
 * key `[path]` (relative, `/` between segments).
 *
 * - Versions are numbers of a hybrid logical clock; positions are the same numbers. Both are saved before a change is handed out.
 * - A change is another content or another modification time. What changed while nothing ran, deletions included, is found at the start.
 * - Symlinks, hidden files and `node_modules` are left out. Files that are too large, binary, not UTF-8 or unreadable are delivered as
 *   undecodable, once per content; their last version stays indexed.
 * - A folder that disappears deletes nothing. A token is reached once a scan that began after it was given is committed.
 */
export interface FilesSource extends Source, TokenSource, RowLookup, RowScan {
  readonly table: TableId;
  /** `snapshot` delivers every file again under new versions. @throws poison BAD_POSITION for anything else: files have no log. */
  replay(from: string): Promise<string>;
}

const TOKEN = /^files:(\d{1,16})$/;
/** Tokens of a clock further ahead than this are not waited for by moving ours. */
const CLOCK_SKEW_US_MAX = 3_600_000_000;
const RETRY_READS = 5;

export function createFilesSource(options: FilesSourceOptions): FilesSource {
  const settings = withDefaults(options);
  const { name } = settings;
  const { clock, checkpoints, observer } = options;
  const table = filesTable(name);
  const partition = filesPartition(name);
  const rules = createPathRules(settings.include, settings.exclude);
  const troubles = new Troubles(name, observer);
  const closing = new AbortController();
  let loading: Promise<{ ledger: Ledger; reader: FolderReader }> | undefined;
  let loaded: { ledger: Ledger; reader: FolderReader } | undefined;

  const load = (): Promise<{ ledger: Ledger; reader: FolderReader }> => {
    loading ??= Ledger.load(name, checkpoints, clock, options.settingsFingerprint).then((ledger) => {
      const onComplete = (): void =>
        observer?.emit({ type: 'snapshot-progress', source: name, table, rows: ledger.size, finished: true });
      loaded = { ledger, reader: new FolderReader({ settings, rules, ledger, clock, troubles, onComplete }) };
      return loaded;
    });
    return loading;
  };

  async function* read(outer: AbortSignal): AsyncGenerator<Delivery> {
    const signal = AbortSignal.any([outer, closing.signal]);
    try {
      throwIfAborted(signal);
      yield* (await load()).reader.read(signal);
    } catch (error) {
      if (!(signal.aborted && kindOf(error) === 'aborted')) throw error;
    }
  }

  const commit = async (positions: readonly Position[]): Promise<void> => {
    const { ledger, reader } = await load();
    for (const position of positions) if (position.partition === partition) ledger.commit(Number(position.offset));
    reader.committed();
    await ledger.save();
  };

  const readRow = async (root: string, path: string, signal: AbortSignal): Promise<Row | undefined> => {
    for (let attempt = 1; ; attempt++) {
      const result = await readText(root, path, settings.maxFileBytes);
      if (result.kind === 'text') return fileRow(path, result.text, result.outside.mtimeMs, settings);
      if (result.kind === 'missing') return undefined;
      if (result.kind === 'undecodable') throw result.error;
      if (attempt === RETRY_READS) {
        throw new FreshetError(
          'FILE_BUSY',
          'transient',
          'A file keeps changing while it is read, or the system is short of file handles.',
        );
      }
      await clock.sleep(settings.settleMs * attempt, signal);
    }
  };

  const openRoot = async (): Promise<string> => {
    const root = await findRoot(settings.root);
    if (root !== undefined) return root.path;
    throw new FreshetError('FILES_ROOT_LOST', 'transient', `The folder of source "${name}" is not there now.`);
  };

  async function* rows(wanted: TableId, signal: AbortSignal): AsyncGenerator<{ key: RowKey; row: Row }> {
    if (wanted !== table) return;
    const root = await openRoot();
    const keys: RowKey[] = [];
    for await (const { path } of walk(root, rules, signal, () => undefined)) keys.push(pathKey(path));
    for (const key of keys.sort()) {
      throwIfAborted(signal);
      const row = await readRow(root, keyPath(key) as string, signal).catch((error: unknown) => {
        if (kindOf(error) === 'poison') return undefined; // it is in the dead letters, which say why
        throw error;
      });
      if (row !== undefined) yield { key, row };
    }
  }

  return {
    name,
    table,
    read,
    commit,
    onRevoked: () => undefined,
    origin: 'the folder',
    rows,

    async row(wanted, key, signal) {
      const path = keyPath(key);
      if (wanted !== table || path === undefined || !rules.isRow(path)) return undefined;
      return readRow(await openRoot(), path, signal);
    },

    freshness() {
      return Promise.resolve(freshnessOf());
    },

    coveredToken: () => {
      const covered = loaded?.reader.coverage.covered;
      return covered === undefined ? undefined : `files:${covered.tick}`;
    },

    async currentToken() {
      return `files:${(await load()).ledger.hybrid.next()}`;
    },

    async reached(token, waitMs, signal) {
      const tick = Number(TOKEN.exec(token)?.[1] ?? Number.NaN);
      if (!Number.isSafeInteger(tick)) {
        throw new FreshetError(
          'BAD_TOKEN',
          'poison',
          `This is no token of the files source "${name}". Pass one exactly as it was given.`,
        );
      }
      const { ledger, reader } = await load();
      if (tick < ledger.hybrid.next() + CLOCK_SKEW_US_MAX) ledger.hybrid.observe(tick);
      const waiting = reader.coverage.reached(tick);
      if (reader.coverage.covered === undefined || reader.coverage.covered.tick < tick) reader.requestScan();
      const done = new AbortController();
      try {
        const timeout = clock.sleep(waitMs, AbortSignal.any([signal, closing.signal, done.signal])).then(() => false);
        return await Promise.race([waiting.promise, timeout]);
      } finally {
        waiting.cancel();
        done.abort();
      }
    },

    async replay(from) {
      if (from !== 'snapshot') {
        throw new FreshetError(
          'BAD_POSITION',
          'poison',
          `A folder has no log to replay: the only position of source "${name}" is "snapshot".`,
        );
      }
      const { ledger, reader } = await load();
      ledger.forgetContents();
      reader.requestScan();
      return `Every file of "${name}" is read again.`;
    },

    [Symbol.asyncDispose]() {
      closing.abort(abortedError());
      return Promise.resolve();
    },
  };

  function freshnessOf(): SourceFreshness {
    const reader = loaded?.reader;
    const covered = reader?.coverage.covered;
    const pending = (reader?.dirty.size ?? 0) + (loaded?.ledger.uncommitted().length ?? 0);
    const finished = loaded?.ledger.complete ?? false;
    return {
      source: name,
      connected: reader?.connected ?? false,
      partitions: [
        {
          partition,
          asOf: covered?.at,
          lagEvents: loaded === undefined ? undefined : pending,
          lagMs: covered === undefined ? undefined : Math.max(0, clock.now() - covered.at),
        },
      ],
      snapshotFinished: finished,
      snapshots: [{ table, rowsRead: loaded?.ledger.size ?? 0, rowsTotal: undefined, finished }],
      gauges: { files_known: loaded?.ledger.size ?? 0, files_pending: pending },
    };
  }
}
