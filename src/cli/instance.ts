import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FreshetError } from '../domain/errors.ts';

/** What a running instance leaves in its data folder, mode 0600: the token may do everything. */
const instanceFile = z.object({
  api: z.url({ protocol: /^https?$/ }),
  pid: z.int(),
  adminToken: z.string().optional(),
  startedAt: z.string().optional(),
});

export interface RunningInstance {
  readonly api: string;
  readonly pid: number;
  readonly adminToken: string | undefined;
}

export const INSTANCE_FILE = 'instance.json';
const ANSWER_WITHIN_MS = 5_000;

function readInstanceFile(dataDir: string): z.output<typeof instanceFile> | undefined {
  let text: string;
  try {
    text = readFileSync(join(dataDir, INSTANCE_FILE), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FreshetError(
      'DATA_DIR_UNREADABLE',
      'fatal',
      `${join(dataDir, INSTANCE_FILE)} cannot be read (${code ?? 'unknown error'}). Run the command as the user that runs Freshet.`,
      { cause: error },
    );
  }
  try {
    return instanceFile.parse(JSON.parse(text));
  } catch {
    return undefined; // Half written by a process that was killed: nobody runs by it. The lock of the folder has the last word.
  }
}

/**
 * The instance that runs on a data folder, or undefined. A file left behind by a process that was killed does not count: nobody answers
 * there, or something else does.
 * @throws INSTANCE_UNREACHABLE when it listens but does not answer.
 */
export async function findInstance(
  dataDir: string,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
): Promise<RunningInstance | undefined> {
  const file = readInstanceFile(dataDir);
  if (file === undefined) return undefined;
  try {
    const answer = await fetch(new URL('/livez', file.api), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    });
    const body: unknown = await answer.json().catch(() => undefined);
    if (!answer.ok || (body as { live?: unknown } | undefined)?.live !== true) return undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw new FreshetError(
        'INSTANCE_UNREACHABLE',
        'transient',
        `The instance at ${file.api} (process ${file.pid}) does not answer within ${ANSWER_WITHIN_MS / 1000} s. Look at its log, or stop it and try again.`,
        { cause: error, details: { pid: file.pid } },
      );
    }
    return undefined;
  }
  return { api: file.api, pid: file.pid, adminToken: file.adminToken };
}
