import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka as KafkaJs, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startKafka, startPostgres, startRegistry, type Kafka } from '../../scripts/stack/index.ts';
import { family, isAlive } from '../../scripts/stack/family.ts';

const STACK = join(import.meta.dirname, '../../scripts/stack/index.ts');

describe('the stack', () => {
  let kafka: Kafka;
  beforeAll(async () => {
    kafka = await startKafka();
  });
  afterAll(() => kafka[Symbol.asyncDispose]());

  it('brings a killed broker back with its topics, on the same address', async () => {
    const client = new KafkaJs({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 3 }] });
    const before = kafka.pid;
    await kafka.kill9();
    expect(kafka.pid).toBeUndefined();
    await kafka.start();
    expect(kafka.pid).not.toBe(before);
    expect((await admin.fetchTopicMetadata({ topics: ['kept'] })).topics[0]?.partitions).toHaveLength(3);
    await admin.disconnect();
  });

  it('kills PostgreSQL with all its backends, and brings it back with what was committed', async () => {
    await using postgres = await startPostgres();
    const client = new pg.Client({ connectionString: postgres.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('CREATE TABLE t (id int); INSERT INTO t VALUES (1)');
    const members = family(postgres.pid as number);
    expect(members.length).toBeGreaterThan(3);
    await postgres.kill9();
    expect(members.filter(isAlive)).toEqual([]);
    await client.end().catch(() => undefined);
    await postgres.start();
    const again = new pg.Client({ connectionString: postgres.url });
    await again.connect();
    expect((await again.query('SELECT id FROM t')).rows).toEqual([{ id: 1 }]);
    await again.end();
  });

  it('gives a schema its id again after the registry was killed', async () => {
    await using registry = await startRegistry();
    const schema = JSON.stringify({ type: 'record', name: 'A', fields: [{ name: 'x', type: 'long' }] });
    const registered = await fetch(`${registry.confluentUrl}/subjects/a-value/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ schema }),
    });
    const { id } = (await registered.json()) as { id: number };
    await registry.kill9();
    await registry.start();
    const found = await fetch(`${registry.confluentUrl}/schemas/ids/${id}`);
    expect(((await found.json()) as { schema: string }).schema).toBe(schema);
  });

  it('does not outlive the process that started it', async () => {
    const script = `
      import { startPostgres } from ${JSON.stringify(STACK)};
      const postgres = await startPostgres();
      process.send(postgres.pid);
      setInterval(() => undefined, 60_000);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const [pid] = (await once(parent, 'message')) as [number];
    expect(isAlive(pid)).toBe(true);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});
