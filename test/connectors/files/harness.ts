import { mkdtemp, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Delivery } from '../../../src/domain/change.ts';
import type { FreshetEvent } from '../../../src/observability/events.ts';
import type { Checkpoints } from '../../../src/ports/checkpoints.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createFilesSource, type FilesSource, type FilesSourceOptions } from '../../../connectors/files/index.ts';
import { createMemoryCheckpoints } from '../../../connectors/memory/checkpoints.ts';

export type FilesEvent = FreshetEvent;

/** A folder of its own with everything a files source needs, removed at the end. */
export interface Folder extends AsyncDisposable {
  readonly root: string;
  readonly checkpoints: Checkpoints;
  readonly events: FilesEvent[];
  write(path: string, content: string | Uint8Array): Promise<void>;
  path(path: string): string;
  /** Starts a run; `stop` ends it as a crash would, without committing what was not. */
  start(options?: Partial<FilesSourceOptions> & { readonly commits?: boolean }): Run;
}

export interface Run extends AsyncDisposable {
  readonly source: FilesSource;
  readonly deliveries: Delivery[];
  /** What `read` failed with, if it did. */
  readonly failure: () => unknown;
  /** Resolves once the deliveries satisfy this. */
  until(what: string, done: (deliveries: readonly Delivery[]) => boolean): Promise<void>;
  /** Resolves once everything written before the call is delivered and committed. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

export async function createFolder(files: Readonly<Record<string, string>> = {}): Promise<Folder> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'freshet-files-')));
  const root = join(base, 'docs');
  await mkdir(root);
  const runs: Run[] = [];
  const events: FilesEvent[] = [];
  const folder: Folder = {
    root,
    checkpoints: createMemoryCheckpoints(),
    events,
    path: (path) => join(root, path),
    async write(path, content) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    },
    start(options = {}) {
      const { commits = true, ...rest } = options;
      const run = startRun({ ...defaults(folder), ...rest }, commits);
      runs.push(run);
      return run;
    },
    async [Symbol.asyncDispose]() {
      for (const run of runs) await run.stop();
      await rm(base, { recursive: true, force: true });
    },
  };
  for (const [path, content] of Object.entries(files)) await folder.write(path, content);
  return folder;
}

function defaults(folder: Folder): FilesSourceOptions {
  return {
    name: 'kb',
    root: folder.root,
    checkpoints: folder.checkpoints,
    clock: systemClock,
    observer: { emit: (event) => void folder.events.push(event) },
    settleMs: 15,
    deleteSettleMs: 60,
    rescanMs: 60_000, // only what a test asks for: the watcher is under test
  };
}

function startRun(options: FilesSourceOptions, commits: boolean): Run {
  const source = createFilesSource(options);
  const deliveries: Delivery[] = [];
  const controller = new AbortController();
  let failure: unknown;
  const reading = (async () => {
    try {
      for await (const delivery of source.read(controller.signal)) {
        deliveries.push(delivery);
        if (commits) await source.commit([delivery.position]);
      }
    } catch (error) {
      failure = error;
    }
  })();
  const stop = async (): Promise<void> => {
    controller.abort();
    await reading;
    await source[Symbol.asyncDispose]();
  };
  return {
    source,
    deliveries,
    failure: () => failure,
    async until(what, done) {
      for (
        const end = Date.now() + 15_000;
        !done(deliveries);
        await systemClock.sleep(5, new AbortController().signal)
      ) {
        if (Date.now() > end) throw new Error(`never: ${what}; got ${JSON.stringify(summaries(deliveries))}`);
      }
    },
    async settle() {
      const signal = new AbortController().signal;
      const token = await source.currentToken(signal);
      if (!(await source.reached(token, 15_000, signal))) throw new Error('the token was not reached');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** `+a.md: text` for an upsert, `-a.md` for a delete, `!a.md CODE` for a file that could not be decoded. */
export function summaries(deliveries: readonly Delivery[]): readonly string[] {
  return deliveries.map(({ event }) => {
    if (event.kind === 'row-upserted') return `+${String(event.row['path'])}: ${String(event.row['text'])}`;
    if (event.kind === 'row-deleted') return `-${pathOf(event.key)}`;
    if (event.kind === 'undecodable')
      return `!${pathOf(event.key ?? '[]')} ${'code' in event.error ? String(event.error.code) : ''}`;
    return event.kind;
  });
}

const pathOf = (key: string): string => String((JSON.parse(key) as unknown[])[0]);

export const versions = (deliveries: readonly Delivery[]): readonly number[] =>
  deliveries.flatMap(({ event }) => ('version' in event && event.version !== undefined ? [event.version] : []));

/** The system's clock, moved. */
export function shiftedClock(): Clock & { shiftMs: number } {
  return { ...systemClock, shiftMs: 0, now(this: { shiftMs: number }) { return systemClock.now() + this.shiftMs; } }; // prettier-ignore
}
