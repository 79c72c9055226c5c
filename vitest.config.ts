import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// The suffix picks the environment: `*.test.ts` needs only npm packages (embedded Postgres included), `*.integration.test.ts` the real
// external components that `npm run test:integration` installs.
export default defineConfig({
  // The workspace package is tested from its sources; only the built product resolves it to its `dist`.
  resolve: { alias: { 'debezium-ts-types': join(import.meta.dirname, 'connectors/debezium-ts-types/src/index.ts') } },
  test: {
    // Half of the tests wait for servers and timers: one worker more than the two cores CI has keeps both busy.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.integration.test.ts'],
          // They end what hangs, and judge nobody: the cores may be another file's just now.
          testTimeout: 60_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/**/*.integration.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
