import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { FreshetConfig } from '../config/index.ts';
import type { CheckResult, DoctorCheck } from './deps.ts';
import { formatBytes } from './format.ts';
import type { RunningInstance } from './instance.ts';

// What can be looked at without adapters. Nothing here changes anything: a doctor only looks.

const NODE_MIN = [20, 19] as const;
const SPACE_FAIL_BYTES = 100e6;
const SPACE_WARN_BYTES = 1e9;

export function nodeCheck(version: string): DoctorCheck {
  return {
    name: 'node',
    run: async () => {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      const isOld = major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
      if (!isOld) return { status: 'ok', detail: `version ${version}` };
      return {
        status: 'fail',
        detail: `version ${version} is too old`,
        mend: `Install Node ${NODE_MIN.join('.')} or newer.`,
      };
    },
  };
}

/** The folder itself, or the nearest one above it that exists and in which it would be made. */
async function existing(path: string): Promise<string> {
  try {
    await access(path);
    return path;
  } catch {
    const parent = dirname(path);
    return parent === path ? path : existing(parent);
  }
}

export function dataDirCheck(dataDir: string): DoctorCheck {
  return {
    name: 'data folder',
    run: async () => {
      const folder = await existing(dataDir);
      try {
        await access(folder, constants.W_OK | constants.X_OK);
      } catch {
        const mend = `Give this user the right to write to ${folder}, or choose another folder with --data-dir.`;
        return { status: 'fail', detail: `${folder} cannot be written`, mend };
      }
      return { status: 'ok', detail: folder === dataDir ? dataDir : `${dataDir} (will be made)` };
    },
  };
}

export function spaceCheck(dataDir: string): DoctorCheck {
  return {
    name: 'disk space',
    run: async () => {
      const { bavail, bsize } = await statfs(await existing(dataDir));
      const free = bavail * bsize;
      const detail = `${formatBytes(free)} free`;
      const mend = 'Free some space, or move the data folder with --data-dir: an index takes about 5 kB per chunk.';
      if (free < SPACE_FAIL_BYTES) return { status: 'fail', detail, mend };
      return free < SPACE_WARN_BYTES ? { status: 'warn', detail, mend } : { status: 'ok', detail };
    },
  };
}

export function portCheck(config: FreshetConfig, instance: RunningInstance | undefined): DoctorCheck {
  const { host, port } = config.server;
  return {
    name: 'port',
    run: async () => {
      if (port === 0) return { status: 'ok', detail: 'any free one' };
      const taken = await listenError(host, port);
      if (taken === undefined) return { status: 'ok', detail: `${host}:${port} is free` };
      if (instance !== undefined && new URL(instance.api).port === String(port)) {
        return { status: 'ok', detail: `${host}:${port} is the running instance` };
      }
      return portProblem(taken, host, port);
    },
  };
}

function portProblem(code: string, host: string, port: number): CheckResult {
  const detail = `${host}:${port} cannot be used (${code})`;
  if (code === 'EADDRINUSE')
    return { status: 'fail', detail, mend: 'Stop what listens there, or choose another with --port.' };
  if (code === 'EACCES') return { status: 'fail', detail, mend: 'Choose a port of 1024 or higher with --port.' };
  return { status: 'fail', detail, mend: 'Set server.host to an address of this machine.' };
}

/** The error code of listening there for a moment; undefined when it works. */
function listenError(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown error'));
    server.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port, exclusive: true }, () =>
      server.close(() => resolve(undefined)),
    );
  });
}
