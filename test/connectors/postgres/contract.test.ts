import { afterAll, beforeAll } from 'vitest';
import { createPostgresSource } from '../../../connectors/postgres/index.ts';
import { silentObserver } from '../../../src/observability/events.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { sourceContract } from '../../contracts/source.contract.ts';
import { MemoryCheckpoints, startCluster, table, uniqueName, type Cluster } from './harness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.remove());

const BUFFER = 20;

sourceContract('PostgreSQL', async () => {
  const name = uniqueName('contract');
  await cluster.sql(`CREATE TABLE ${name} (id int PRIMARY KEY, body text)`);
  const client = await cluster.client();
  const checkpoints = new MemoryCheckpoints();
  return {
    open: () =>
      Promise.resolve(
        createPostgresSource({
          name: 'pg',
          connectionString: cluster.connectionString,
          slot: name,
          publication: name,
          tables: [table(name)],
          checkpoints,
          clock: systemClock,
          observer: silentObserver,
          limits: { outboxItems: BUFFER },
        }),
      ),
    write: async (n, text) => {
      await client.query(`INSERT INTO ${name} VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body`, [
        n,
        text,
      ]);
    },
    remove: async (n) => {
      await client.query(`DELETE FROM ${name} WHERE id = $1`, [n]);
    },
    // Per lane: stream and snapshot.
    bufferMax: BUFFER * 2,
    dispose: async () => {
      await client.end();
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const drop = cluster.sql(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${name}'`,
        );
        if (await drop.then(() => true).catch(() => new Promise((resolve) => setTimeout(resolve, 20, false)))) break;
      }
    },
  };
});
