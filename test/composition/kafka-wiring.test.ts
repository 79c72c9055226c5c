import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryCheckpoints } from '../../connectors/memory/checkpoints.ts';
import { doctorChecks } from '../../src/composition/doctor.ts';
import { judgeCluster } from '../../src/composition/doctor-kafka.ts';
import { kafkaConnection } from '../../src/composition/kafka-connection.ts';
import { openKafka, startOf, topicsOf } from '../../src/composition/kafka-source.ts';
import type { KafkaSourceConfig } from '../../src/config/index.ts';
import { silentObserver } from '../../src/observability/events.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { load } from '../config/helpers.ts';

const KEY = 'redaction: { key: "sixteen letters!" }\n';

function configured(settings: string, more = ''): KafkaSourceConfig {
  const yaml = `${more}sources: { shop: { type: kafka, brokers: "k:9092", ${settings} } }`;
  const source = load(yaml).config.sources.shop;
  if (source?.type !== 'kafka') throw new TypeError('not a Kafka source');
  return source;
}

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'freshet-kafka-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('The topics of a Kafka source', () => {
  it('are its tables’ by the prefix, and the heartbeats', () => {
    const source = configured('topicPrefix: app, tables: { articles: { text: "{b}" }, sales.orders: { text: "{b}" } }');
    expect(topicsOf(source)).toEqual([
      'app.public.articles',
      'app.sales.orders',
      '__debezium-heartbeat.app',
      'app.message',
    ]);
  });

  it('are what a table names, what is listed, and whatever matches', () => {
    const source = configured(
      'topics: [all], topicPattern: "app[.].*", heartbeatTopics: [beat], tables: { a: { text: "{b}", topic: rows } }',
    );
    expect(topicsOf(source)).toEqual(['rows', 'all', 'beat', /app[.].*/]);
  });

  it('begin where `start` says', () => {
    expect(startOf('latest')).toBe('latest');
    expect(startOf({ timestamp: '2026-11-20T06:00:00+01:00' })).toEqual({ timestamp: Date.UTC(2026, 10, 20, 5) });
    expect(startOf({ offsets: { 'app.a': { 0: 17, 1: '18' } } })).toEqual({
      offsets: { 'app.a/0': 17, 'app.a/1': 18 },
    });
  });
});

describe('The connection of a Kafka source', () => {
  it('reads certificates from files, and takes PEM text as it is', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
    writeFileSync(join(folder, 'ca.pem'), pem);
    const source = configured(
      `topicPrefix: a, ssl: { ca: "${folder}/ca.pem", servername: k }, tables: { a: { text: "{b}" } }`,
    );
    expect(kafkaConnection(source, 'sources.shop').tls).toEqual({ ca: pem, servername: 'k' });
  });

  it('names the setting of a file that cannot be used', () => {
    writeFileSync(join(folder, 'ca.pem'), 'no certificate');
    const connect = (ca: string) => () =>
      kafkaConnection(
        configured(`topicPrefix: a, ssl: { ca: "${ca}" }, tables: { a: { text: "{b}" } }`),
        'sources.shop',
      );
    expect(connect(`${folder}/ca.pem`)).toThrow(/holds no PEM text, and "sources\.shop\.ssl\.ca" needs one/);
    expect(connect(`${folder}/none.pem`)).toThrow(/cannot be read \(ENOENT\)/);
  });

  it('passes a login on, and asks for tokens only when they are needed', () => {
    const source = configured(
      'topicPrefix: a, sasl: { mechanism: oauthbearer, tokenUrl: "http://127.0.0.1:1", clientId: c, clientSecret: s }, tables: { a: { text: "{b}" } }',
    );
    expect(kafkaConnection(source, 'sources.shop')).toMatchObject({
      brokers: ['k:9092'],
      sasl: { mechanism: 'oauthbearer', token: expect.any(Function) as unknown },
    });
  });
});

describe('A Kafka source', () => {
  const parts = {
    checkpoints: createMemoryCheckpoints(),
    settings: { redactor: 'r', chunker: 'c', embedder: 'e' },
    retired: {},
    clock: systemClock,
    observer: silentObserver,
    spoolFolder: tmpdir(),
    suffix: '',
  };

  it('reads rows from the database where one is given, else from its topics', async () => {
    const tables = 'tables: { a: { text: "{b}" } }';
    const withLookup = openKafka(
      'shop',
      configured(`topicPrefix: a, lookup: { connection: "postgres://h/d" }, ${tables}`),
      parts,
    );
    expect([withLookup.rowScan?.origin, withLookup.rowLookup !== undefined, withLookup.isPostgres]).toEqual([
      'the database',
      true,
      true,
    ]);
    const without = openKafka('shop', configured(`topicPrefix: a, heartbeatTopics: [], ${tables}`), parts);
    expect([without.rowScan?.origin, without.rowLookup, without.isPostgres]).toEqual([
      'the topic a.public.a',
      undefined,
      false,
    ]);
    for (const { source } of [withLookup, without]) await source[Symbol.asyncDispose]();
  });
});

describe('What doctor says of a cluster', () => {
  const healthy = {
    topics: new Map([
      ['app.public.a', 8],
      ['beat', 1],
    ]),
    missing: [],
    cut: [],
    lag: 3n,
    members: 2,
    heartbeatAt: 99_000,
  };
  const judge = (findings: Partial<Parameters<typeof judgeCluster>[0]>, isEmbedded = false) =>
    judgeCluster(
      { ...healthy, ...findings },
      {
        name: 'shop',
        heartbeats: ['beat'],
        groupId: 'freshet-shop',
        isEmbedded,
        now: 100_000,
      },
    );

  it('is how much there is, when nothing is wrong', () => {
    expect(judge({})).toEqual({ status: 'ok', detail: '1 topic, 8 partitions, 2 members, 3 records behind' });
  });

  it.each([
    [
      'no topic of its names',
      { topics: new Map([['beat', 1]]), missing: ['app.public.a'] },
      'fail',
      /no topic is called app\.public\.a/,
    ],
    ['a table without a topic', { missing: ['app.public.b'] }, 'warn', /app\.public\.b does not exist \(yet\)/],
    ['no heartbeats', { heartbeatAt: undefined }, 'warn', /no heartbeats/],
    ['an old heartbeat', { heartbeatAt: -200_000 }, 'warn', /300 s old/],
    ['records that are gone', { cut: ['app.public.a'] }, 'warn', /first records of app\.public\.a were removed/],
  ] as const)('names %s', (_name, findings, status, detail) => {
    const result = judge(findings);
    expect(result.status).toBe(status);
    expect(result.detail).toMatch(detail);
    expect(result.mend).toMatch(/\.$/);
  });

  it('names two instances that would each index a part into a file of their own', () => {
    expect(judge({}, true)).toMatchObject({ status: 'fail', detail: expect.stringContaining('2 members') as string });
  });

  it('looks at every server that the configuration names', () => {
    const { config } = load(
      `${KEY}index: { engine: qdrant, url: "http://q" }\ndeadLetters: { store: kafka }\n` +
        'sources: { shop: { type: kafka, brokers: "k:9092", topicPrefix: a, registry: { url: "http://r" }, lookup: { connection: "postgres://h/d" }, tables: { a: { text: "{b}" } } } }',
    );
    expect(doctorChecks(config, {}).map(({ name }) => name)).toEqual([
      'model',
      'index',
      'source shop',
      'registry shop',
      'lookup shop',
      'dead letters',
    ]);
  });

  it('looks at the model of a candidate that has one of its own', async () => {
    const { config } = load(`candidate: { embedder: { engine: transformers, modelPath: "${folder}/nowhere" } }`);
    const checks = doctorChecks(config, {});
    expect(checks.map(({ name }) => name)).toEqual(['model', 'candidate’s model']);
    await expect(checks[1]?.run(new AbortController().signal)).rejects.toMatchObject({ kind: 'fatal' });
    expect(doctorChecks(load('candidate: { chunker: { maxTokens: 99 } }').config, {})).toHaveLength(1);
  });

  it('says that servers are away, and which setting leads to them', async () => {
    const { config } = load(
      `${KEY}index: { engine: qdrant, url: "http://127.0.0.1:1", timeout: 1s }\ndeadLetters: { store: kafka }\n` +
        'sources: { shop: { type: kafka, brokers: "127.0.0.1:1", connectionTimeout: 1s, topicPrefix: a, registry: { url: "http://127.0.0.1:1" }, lookup: { connection: "postgres://127.0.0.1:1/d" }, tables: { a: { text: "{b}" } } } }',
    );
    const checks = doctorChecks(config, {}).filter(({ name }) => name !== 'model');
    for (const { name, run } of checks) {
      const result = await run(new AbortController().signal);
      expect([name, result.status], result.detail).toEqual([name, 'fail']);
      expect(result.mend, name).toMatch(/^Check /);
    }
  });
});
