import { describe, expect, it } from 'vitest';
import { formatProblem, maskSecrets, toTableMappings } from '../../src/config/index.ts';
import { load, problemsOf } from './helpers.ts';

const kafka = (settings: string, tables = '{ articles: { text: "{body}" } }'): string => `
sources:
  shop: { type: kafka, brokers: ["kafka-1:9092"], tables: ${tables}, ${settings} }
`;

interface Case {
  readonly name: string;
  readonly yaml: string;
  readonly path: string;
  readonly says: RegExp;
}

const KEY = 'redaction: { key: "sixteen letters!" }\n';
const shop = 'sources.shop';

const cases: readonly Case[] = [
  {
    name: 'a broker with a scheme',
    yaml: kafka('topicPrefix: shop, brokers: ["http://k:9092"]').replace('brokers: ["kafka-1:9092"], ', ''),
    path: `${shop}.brokers[0]`,
    says: /such as kafka-1:9092, without/,
  },
  {
    name: 'a Kafka source without brokers',
    yaml: kafka('topicPrefix: shop').replace('brokers: ["kafka-1:9092"], ', ''),
    path: `${shop}.brokers`,
    says: /is required/,
  },
  {
    name: 'a table of which nothing says where it is',
    yaml: kafka('group: g'),
    path: `${shop}.tables.articles.topic`,
    says: /neither "topicPrefix", "topics" nor "topicPattern"/,
  },
  {
    name: 'a name of four parts',
    yaml: kafka('topicPrefix: shop', '{ a.b.c.d: { text: "{x}" } }'),
    path: `${shop}.tables["a.b.c.d"]`,
    says: /as Debezium writes it/,
  },
  {
    name: 'a pattern that is none',
    yaml: kafka('topicPattern: "shop.("'),
    path: `${shop}.topicPattern`,
    says: /is not a regular expression/,
  },
  {
    name: 'an unknown SASL mechanism',
    yaml: kafka('topicPrefix: s, sasl: { mechanism: scram, username: u, password: hunter2 }'),
    path: `${shop}.sasl.mechanism`,
    says: /must be "plain", "scram-sha-256".*Did you mean/,
  },
  {
    name: 'a login without its password',
    yaml: kafka('topicPrefix: s, sasl: { mechanism: plain, username: u }'),
    path: `${shop}.sasl.password`,
    says: /is required: text\. Its password/,
  },
  {
    name: 'a certificate without its key',
    yaml: kafka('topicPrefix: s, ssl: { cert: ./c.pem }'),
    path: `${shop}.ssl.key`,
    says: /is required beside "cert"/,
  },
  {
    name: 'Avro without a registry',
    yaml: kafka('topicPrefix: s, format: avro'),
    path: `${shop}.registry`,
    says: /is required for "format: avro"/,
  },
  {
    name: 'a registry with two ways to log in',
    yaml: kafka('topicPrefix: s, registry: { url: "http://r", username: u, password: p, token: t }'),
    path: `${shop}.registry.token`,
    says: /excludes "username"/,
  },
  {
    name: 'a hand-over shorter than the session',
    yaml: kafka('topicPrefix: s, rebalanceTimeout: 10s, sessionTimeout: 20s'),
    path: `${shop}.rebalanceTimeout`,
    says: /must not be below "sessionTimeout"/,
  },
  {
    name: 'a start that is none',
    yaml: kafka('topicPrefix: s, start: { timestamp: yesterday }'),
    path: `${shop}.start.timestamp`,
    says: /./,
  },
  {
    name: 'a look-up that is no PostgreSQL',
    yaml: kafka('topicPrefix: s, lookup: { connection: "mysql://hunter2@h/d" }'),
    path: `${shop}.lookup.connection`,
    says: /must be a URL such as postgres:/,
  },
  {
    name: 'two sources in one consumer group',
    yaml: `${kafka('topicPrefix: s, group: g')}  other: { type: kafka, brokers: ["kafka-1:9092"], group: g, topicPrefix: s, tables: { a: { text: "{b}" } } }\n`,
    path: 'sources.other.group',
    says: /which source "shop" uses already on this cluster/,
  },
  {
    name: 'Qdrant without a key that all instances share',
    yaml: 'index: { engine: qdrant, url: "http://q:6333" }',
    path: 'redaction.key',
    says: /is required with "index\.engine: qdrant".*openssl rand/,
  },
  {
    name: 'Kafka and Qdrant with dead letters of each instance’s own',
    yaml: `${KEY}index: { engine: qdrant, url: "http://q:6333" }\n${kafka('topicPrefix: s')}`,
    path: 'deadLetters.store',
    says: /must be "kafka" with "index\.engine: qdrant" and a Kafka source/,
  },
  {
    name: 'Qdrant without an address',
    yaml: `${KEY}index: { engine: qdrant }`,
    path: 'index.url',
    says: /is required/,
  },
  {
    name: 'an unknown engine',
    yaml: 'index: { engine: quadrant }',
    path: 'index.engine',
    says: /must be "sqlite" or "qdrant"\. Did you mean "qdrant"\?/,
  },
  {
    name: 'a setting of Qdrant at the embedded index',
    yaml: 'index: { engine: sqlite, url: "http://q:6333" }',
    path: 'index.url',
    says: /is not a known key/,
  },
  {
    name: 'a consistency no write could reach',
    yaml: `${KEY}index: { engine: qdrant, url: "http://q", replicas: 2, writeConsistency: 3 }`,
    path: 'index.writeConsistency',
    says: /more than "replicas"/,
  },
  {
    name: 'dead letters in Kafka without a cluster',
    yaml: `${KEY}deadLetters: { store: kafka }`,
    path: 'deadLetters.brokers',
    says: /there is no Kafka source/,
  },
  {
    name: 'dead letters in the cluster of a source that is none',
    yaml: `${KEY}deadLetters: { store: kafka, source: app }`,
    path: 'deadLetters.source',
    says: /names no Kafka source/,
  },
  {
    name: 'dead letters in Kafka without a shared key',
    yaml: 'deadLetters: { store: kafka, brokers: "k:9092" }',
    path: 'redaction.key',
    says: /is required with "deadLetters\.store: kafka"/,
  },
  {
    name: 'a column of an unknown type',
    yaml: kafka('topicPrefix: s', '{ a: { text: "{b}", types: { c: timestmp } } }'),
    path: `${shop}.tables.a.types.c`,
    says: /is no type of a column\. Did you mean "timestamp"\?.*decimal\(precision,scale\)/,
  },
  {
    name: 'a contract of an unknown type',
    yaml: kafka('topicPrefix: s', '{ a: { text: "{b}", contract: { columns: { id: varchar } } } }'),
    path: `${shop}.tables.a.contract.columns.id`,
    says: /must be "text"/,
  },
];

describe('A configuration of the production path that is wrong', () => {
  it.each(cases)('names the path and the mend: $name', ({ yaml, path, says }) => {
    const problems = problemsOf(yaml);
    const problem = problems.find((each) => each.path === path);
    expect(problem, `got ${problems.map(formatProblem).join('\n')}`).toBeDefined();
    expect(problem?.message).toMatch(says);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});

describe('A Kafka source', () => {
  it('needs brokers, a prefix and tables, and nothing else', () => {
    const { config } = load(kafka('topicPrefix: shop'));
    expect(config.sources.shop).toMatchObject({
      type: 'kafka',
      brokers: ['kafka-1:9092'],
      ssl: false,
      format: 'auto',
      start: 'earliest',
      epoch: 0,
      fetch: { maxWait: 100 },
    });
  });

  it('takes its brokers from one variable, with commas between', () => {
    const { config } = load(kafka('topicPrefix: shop').replace('["kafka-1:9092"]', '"${BROKERS}"'), {
      BROKERS: 'kafka-1:9092, kafka-2:9092',
    });
    expect(config.sources.shop).toMatchObject({ brokers: ['kafka-1:9092', 'kafka-2:9092'] });
  });

  it('finds the files of its certificates beside the configuration, and leaves PEM text as it is', () => {
    const { config } = load(kafka('topicPrefix: s, ssl: { ca: tls/ca.pem, cert: "${CERT}", key: /run/key.pem }'), {
      CERT: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    });
    expect(config.sources.shop).toMatchObject({
      ssl: { ca: '/project/tls/ca.pem', cert: expect.stringMatching(/^-----BEGIN/) as string, key: '/run/key.pem' },
    });
  });

  it('never prints a password, a token or a private key', () => {
    const { config } = load(
      kafka(
        'topicPrefix: s, ssl: { cert: c.pem, key: "-----BEGIN hunter2" }, sasl: { mechanism: plain, username: u, password: hunter2 }, ' +
          'registry: { url: "http://r", token: hunter2 }, lookup: { connection: "postgres://u:hunter2@h/d" }',
      ),
    );
    expect(JSON.stringify(maskSecrets(config))).not.toContain('hunter2');
  });
});

describe('A contract', () => {
  it('belongs to the mapping, whether a column is a type or a section', () => {
    const { config } = load(
      kafka(
        'topicPrefix: s',
        '{ a: { text: "{b}", contract: { columns: { id: integer, b: { type: text, nullable: false } } } } }',
      ),
    );
    const source = config.sources.shop;
    const [mapping] = source?.type === 'kafka' ? toTableMappings('shop', source.tables) : [];
    expect(mapping?.contract).toEqual({
      columns: { id: { type: 'integer' }, b: { type: 'text', nullable: false } },
      additional: 'allow',
    });
  });
});

describe('An index in Qdrant', () => {
  it('can be chosen by the environment alone', () => {
    const { config } = load('', {
      FRESHET_INDEX__ENGINE: 'qdrant',
      FRESHET_INDEX__API_KEY: 'k',
      FRESHET_INDEX__URL: 'http://qdrant:6333',
      FRESHET_REDACTION__KEY: 'sixteen letters!',
    });
    expect(config.index).toMatchObject({
      engine: 'qdrant',
      apiKey: 'k',
      url: 'http://qdrant:6333',
      collection: 'freshet',
    });
  });

  it('is not the default: without a word of it, the index is a file', () => {
    expect(load('').config).toMatchObject({ index: { engine: 'sqlite' }, deadLetters: { store: 'state' } });
  });
});
