import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { CatalogueState, FedIndex, IndexCatalogue, IndexSpec } from '../../src/ports/index-catalogue.ts';
import { openSqliteIndex } from './index.ts';

const FILE = 'indexes.json';
/** The first index keeps the name that a data folder without a catalogue has it under. */
const FIRST = 'index.sqlite';
/** SQLite's write-ahead log and its shared memory belong to the file beside them; the log goes first, it is nothing without its file. */
const COMPANIONS = ['-shm', '-wal', ''];

const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,47}$/);
const stored = z.object({
  format: z.literal(1),
  revision: z.int().min(0),
  live: name.optional(),
  candidate: name.optional(),
  previous: name.optional(),
  canaryShare: z.number().min(0).max(1),
  files: z.record(name, z.string()),
});
type Stored = z.output<typeof stored>;

export interface SqliteIndexes extends IndexCatalogue {
  /** The file of an index, for whoever opens it by other means; given to it for good when it is asked for first. */
  fileOf(name: string): string;
}

interface Opened {
  readonly index: Promise<FedIndex>;
  handles: number;
}

/**
 * The indexes of one data folder: a file each, and `indexes.json`, which says whose file is whose and which one answers. It is replaced in
 * one rename, so that a crash leaves the state before or after. One process owns the folder (see lock.ts).
 * Errors: `fatal` INDEXES_UNREADABLE, INDEXES_NOT_WRITABLE, besides those of the index itself.
 */
export function openSqliteIndexes(dataDir: string): SqliteIndexes {
  const file = join(dataDir, FILE);
  let current = read(file);
  const opened = new Map<string, Opened>();

  const save = (next: Stored): void => {
    write(file, next);
    current = next;
  };

  const fileOf = (of: string): string => {
    let known = current.files[of];
    if (known === undefined) {
      known = Object.keys(current.files).length === 0 ? FIRST : `index.${of}.sqlite`;
      save({ ...current, files: { ...current.files, [of]: known } });
    }
    return join(dataDir, known);
  };

  const openShared = (of: string, spec: IndexSpec): Opened => {
    const known = opened.get(of);
    if (known !== undefined) return known;
    const index = openSqliteIndex({ ...spec, path: fileOf(of) });
    const made: Opened = { index, handles: 0 };
    opened.set(of, made);
    index.catch(() => opened.delete(of));
    return made;
  };

  return {
    fileOf,
    async open(of, spec, signal) {
      throwIfAborted(signal);
      const shared = openShared(of, spec);
      shared.handles += 1;
      const index = await shared.index;
      let isOpen = true;
      return handleOn(index, async () => {
        if (!isOpen) return;
        isOpen = false;
        shared.handles -= 1;
        if (shared.handles > 0 || opened.get(of) !== shared) return;
        opened.delete(of);
        await index[Symbol.asyncDispose]();
      });
    },
    list: async () => Object.keys(current.files).sort(),
    state: async () => stateOf(current),
    async update(expectedRevision, next) {
      if (expectedRevision !== current.revision) {
        throw new FreshetError(
          'CATALOGUE_CHANGED',
          'stale',
          'Which index answers was changed meanwhile. Look at "freshet index status", then ask again.',
          { details: { expected: expectedRevision, found: current.revision } },
        );
      }
      const { live, candidate, previous, canaryShare } = next;
      const { format, files } = current;
      save({ format, revision: expectedRevision + 1, live, candidate, previous, canaryShare, files });
      return stateOf(current);
    },
    async drop(of) {
      const { live, candidate, previous } = current;
      if ([live, candidate, previous].includes(of)) {
        throw new FreshetError('INDEX_IN_USE', 'poison', `Index ${of} is in use and cannot be deleted.`, {
          details: { index: of },
        });
      }
      const held = opened.get(of);
      opened.delete(of);
      await held?.index.then((index) => index[Symbol.asyncDispose]());
      const known = current.files[of];
      if (known === undefined) return;
      // The file first: a crash in between leaves a name without a file, which can be dropped again.
      for (const companion of COMPANIONS) rmSync(join(dataDir, known) + companion, { force: true });
      const { [of]: _dropped, ...files } = current.files;
      save({ ...current, files });
    },
    async [Symbol.asyncDispose]() {
      const all = [...opened.values()];
      opened.clear();
      for (const { index } of all) await index.then((each) => each[Symbol.asyncDispose]());
    },
  };
}

/** Another handle on the same index: closing it leaves the others open. */
function handleOn(index: FedIndex, close: () => Promise<void>): FedIndex {
  return new Proxy(index, {
    get(target, member) {
      if (member === Symbol.asyncDispose) return close;
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const stateOf = ({ live, candidate, previous, canaryShare, revision }: Stored): CatalogueState => ({
  live,
  candidate,
  previous,
  canaryShare,
  revision,
});

function read(file: string): Stored {
  if (!existsSync(file)) return { format: 1, revision: 0, canaryShare: 0, files: {} };
  try {
    return stored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new FreshetError(
      'INDEXES_UNREADABLE',
      'fatal',
      `${file}, which says which index answers, is damaged, unreadable or of a newer version. Restore it from a backup, or move it and every ` +
        'index.*.sqlite beside it away and start again: the sources are indexed anew.',
      { cause, details: { file } },
    );
  }
}

function write(file: string, next: Stored): void {
  const aside = `${file}.new`;
  try {
    const descriptor = openSync(aside, 'w', 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify(next, null, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(aside, file);
    syncFolder(dirname(file));
  } catch (cause) {
    throw new FreshetError(
      'INDEXES_NOT_WRITABLE',
      'fatal',
      `${file}, which says which index answers, cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}). Check the disk and the folder's permissions.`,
      { cause, details: { file } },
    );
  }
}

/** A rename survives a power cut once its folder is on disk. Where a folder cannot be synced (Windows), the file system sees to it. */
function syncFolder(folder: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(folder, 'r');
    fsyncSync(descriptor);
  } catch {
    // Nothing is lost but the certainty.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
