import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setMaxListeners } from 'node:events';
import { runCli } from './cli/run.ts';
import { DEMO_DEFAULTS } from './composition/demo-config.ts';
import { doctorChecks } from './composition/doctor.ts';
import type { Surroundings } from './composition/start.ts';

// The entry of the `freshet` command: gives the command line its process.

const FORCED_EXIT = 130;

const interrupt = new AbortController();
setMaxListeners(0, interrupt.signal);
let interrupts = 0;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    interrupts += 1;
    // The second one is from somebody who does not want to wait. Nothing is lost: what was not committed is done again.
    if (interrupts > 1) process.exit(FORCED_EXIT);
    interrupt.abort();
  });
}

// `freshet search … | head`: whoever read us has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const around: Surroundings = {
  version: packageVersion(),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupt.signal,
};

const exitCode = await runCli(
  {
    ...around,
    nodeVersion: process.versions.node,
    cwd: process.cwd(),
    fetch: globalThis.fetch,
    now: Date.now,
    demoDefaults: DEMO_DEFAULTS,
    // Loaded when needed: a command that asks a running instance answers twice as fast without the adapters.
    start: async (config, options) => (await import('./composition/start.ts')).start(config, options, around),
    openOffline: async (config, options) =>
      (await import('./composition/start.ts')).openOffline(config, options, around),
    doctorChecks: (config) => doctorChecks(config, around.env),
  },
  process.argv.slice(2),
);
// Whatever still keeps the event loop alive has nothing left to do; streams are flushed first.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise<void>((done) => stream.write('', () => done()))),
);
process.exit(exitCode);

/** Found from `src` as well as from `dist/src`. */
function packageVersion(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
        string,
        string
      >;
      if (name === 'freshet' && version !== undefined) return version;
    } catch {
      // No package here: look above.
    }
    if (dirname(folder) === folder) return 'unknown';
  }
}
