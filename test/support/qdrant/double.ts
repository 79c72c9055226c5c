import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cached } from '../../../scripts/stack/cache.ts';
import { toStderr } from '../../../scripts/stack/error.ts';
import { runTool } from '../../../scripts/stack/tools.ts';

const FOLDER = join(import.meta.dirname, 'double');

export interface QdrantServer extends AsyncDisposable {
  readonly url: string;
  /** A real server, and not the double. */
  readonly real: boolean;
}

/**
 * What the suite runs against: the server at QDRANT_URL, or the double. With REQUIRE_REAL_QDRANT=1 the double will not do.
 */
export async function startQdrant(env: NodeJS.ProcessEnv = process.env): Promise<QdrantServer> {
  if (env.QDRANT_URL) return { url: env.QDRANT_URL, real: true, [Symbol.asyncDispose]: () => Promise.resolve() };
  if (env.REQUIRE_REAL_QDRANT === '1') {
    throw new Error('REQUIRE_REAL_QDRANT is 1 and QDRANT_URL names no server. Start Qdrant 1.19 or newer and set it.');
  }
  return startDouble();
}

/** The real engine behind the REST interface that Freshet uses, from PyPI. For what requests mean, never for speed. */
export async function startDouble(): Promise<QdrantServer> {
  const packages = await installed();
  const child = spawn('python3', [join(FOLDER, 'server.py')], {
    env: { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => line as string),
    ended.then(([code]) => {
      throw new Error(`The Qdrant double ended with code ${String(code)} before it listened.`);
    }),
  ]);
  const { port } = JSON.parse(first) as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    real: false,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

async function installed(): Promise<string> {
  const requirements = join(FOLDER, 'requirements.txt');
  const folder = await cached(
    {
      name: 'qdrant-double',
      pin: await readFile(requirements, 'utf8'),
      async fill(target) {
        // A plain folder, not a virtual environment: those hold absolute paths, and this one is renamed.
        const environment = join(target, 'pip');
        await runTool('python3', ['-m', 'venv', environment]);
        await runTool(join(environment, 'bin', 'python'), [
          ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
          ...['--target', join(target, 'packages'), '-r', requirements],
        ]);
        await rm(environment, { recursive: true });
      },
    },
    toStderr,
  );
  return join(folder, 'packages');
}
