import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRecordDecoder } from '../../../../connectors/kafka/decode/decoder.ts';
import {
  createSchemaRegistry,
  type SchemaRegistry,
  type SchemaRegistryOptions,
} from '../../../../connectors/kafka/registry/client.ts';
import { encodeLong, encodeText, framed } from '../decode/avro-encode.ts';
import { record, table } from '../decode/records.ts';
import { registered, startFakeRegistry, type FakeRegistry } from './fake-registry.ts';

const never = new AbortController().signal;
const ids = '/apis/ccompat/v7/schemas/ids';
const notFound = (id: number): string => `${ids}/${id}`;

let fake: FakeRegistry;
const open: SchemaRegistry[] = [];
const connect = (more: Partial<SchemaRegistryOptions> = {}): SchemaRegistry => {
  const registry = createSchemaRegistry({ url: fake.url, ...more });
  open.push(registry);
  return registry;
};
const failure = async (work: unknown): Promise<unknown> => {
  try {
    return await work;
  } catch (error) {
    return error;
  }
};

beforeEach(async () => {
  fake = await startFakeRegistry();
  fake.schemas.set(`${ids}/1`, registered('long'));
});
afterEach(async () => {
  for (const registry of open.splice(0)) await registry[Symbol.asyncDispose]();
  await fake[Symbol.asyncDispose]();
});

describe('a schema registry', () => {
  it('is asked once for a schema, however many wait for it, and never again', async () => {
    const registry = connect();
    const all = await Promise.all([registry.schema(1, never), registry.schema(1, never), registry.schema(1, never)]);
    expect(all).toEqual(Array(3).fill({ id: 1, schema: 'long', references: [] }));
    expect(registry.schema(1, never)).not.toBeInstanceOf(Promise);
    expect(fake.asked).toEqual([`${ids}/1`]);
  });

  it('keeps what a schema refers to, innermost first, each once', async () => {
    const subject = (name: string, version: number): string => `/apis/ccompat/v7/subjects/${name}/versions/${version}`;
    const reference = (name: string, version: number): object => ({ name, subject: name, version });
    fake.schemas.set(`${ids}/2`, registered('top', [reference('a', 1), reference('b', 2)]));
    fake.schemas.set(subject('a', 1), registered('a', [reference('b', 2)]));
    fake.schemas.set(subject('b', 2), registered('b'));
    expect(await connect().schema(2, never)).toEqual({ id: 2, schema: 'top', references: ['b', 'a'] });
    expect(fake.asked).toHaveLength(3);
  });

  it('that is away is transient, and is asked again', async () => {
    const registry = connect();
    for (const status of [500, 503, 429]) {
      fake.before = (_, response) => {
        response.writeHead(status).end('busy');
        return true;
      };
      expect(await failure(registry.schema(1, never))).toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        kind: 'transient',
        details: { status },
      });
    }
    fake.before = (request) => {
      request.socket.destroy();
      return true;
    };
    expect(await failure(registry.schema(1, never))).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', kind: 'transient' });
    fake.before = () => false;
    expect(await registry.schema(1, never)).toMatchObject({ id: 1 });
  });

  it('that does not answer in time is transient', async () => {
    fake.before = () => true;
    expect(await failure(connect({ timeoutMs: 50 }).schema(1, never))).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      kind: 'transient',
    });
  });

  it('that answers without end is cut off', async () => {
    fake.before = (_, response) => {
      const block = Buffer.alloc(1024 * 1024, 'x');
      const more = (): void =>
        void (response.destroyed || (response.write(block) ? setImmediate(more) : response.once('drain', more)));
      more();
      return true;
    };
    expect(await failure(connect().schema(1, never))).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  it('that has no such schema makes the record poison, and is not asked again for a while', async () => {
    let now = 0;
    const registry = connect({ monotonic: () => now });
    expect(await failure(registry.schema(9, never))).toMatchObject({
      code: 'SCHEMA_UNKNOWN',
      kind: 'poison',
      details: { schema: 9 },
    });
    expect(await failure(registry.schema(9, never))).toMatchObject({ code: 'SCHEMA_UNKNOWN' });
    expect(fake.asked).toEqual([notFound(9)]);
    now = 60_000;
    fake.schemas.set(notFound(9), registered('int'));
    expect(await registry.schema(9, never)).toMatchObject({ schema: 'int' });
  });

  it('that is none stops the source instead of making every record poison', async () => {
    fake.before = (_, response) => {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not here</h1>');
      return true;
    };
    expect(await failure(connect().schema(1, never))).toMatchObject({ code: 'REGISTRY_NOT_THERE', kind: 'fatal' });
    fake.before = (_, response) => {
      response.writeHead(404).end('{"error_code":404,"message":"HTTP 404 Not Found"}');
      return true;
    };
    expect(await failure(connect().schema(1, never))).toMatchObject({ code: 'REGISTRY_NOT_THERE' });
    fake.before = (_, response) => {
      response.writeHead(200).end('{}');
      return true;
    };
    expect(await failure(connect().schema(1, never))).toMatchObject({ code: 'REGISTRY_NOT_THERE' });
  });

  it('that refuses us stops the source', async () => {
    fake.before = (_, response) => {
      response.writeHead(401).end();
      return true;
    };
    expect(await failure(connect().schema(1, never))).toMatchObject({ code: 'REGISTRY_REFUSED', kind: 'fatal' });
  });

  it('with schemas of another kind makes their records poison', async () => {
    fake.schemas.set(`${ids}/3`, { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' });
    expect(await failure(connect().schema(3, never))).toMatchObject({ code: 'SCHEMA_UNSUPPORTED', kind: 'poison' });
  });

  it('is given credentials, which no message shows', async () => {
    const url = fake.url.replace('http://', 'http://jane:s3cret@');
    await connect({ url }).schema(1, never);
    await connect({ auth: { kind: 'basic', username: 'u', password: 'p' } }).schema(1, never);
    await connect({ auth: { kind: 'bearer', token: () => Promise.resolve('t') } }).schema(1, never);
    expect(fake.headers.map(({ authorization }) => authorization)).toEqual([
      `Basic ${Buffer.from('jane:s3cret').toString('base64')}`,
      `Basic ${Buffer.from('u:p').toString('base64')}`,
      'Bearer t',
    ]);
    const error = (await failure(connect({ url }).schema(9, never))) as Error;
    expect(error.message).toContain(fake.url);
    expect(JSON.stringify([error.message, error])).not.toMatch(/jane|s3cret/);
  });

  it('is waited for no longer than the waiter wants', async () => {
    const stop = new AbortController();
    fake.before = () => true;
    const waiting = failure(connect().schema(1, stop.signal));
    stop.abort();
    expect(await waiting).toMatchObject({ kind: 'aborted' });
  });
});

describe('records in Avro', () => {
  const rowOf = (fields: readonly object[]): object => ({
    type: 'record',
    name: 'Value',
    namespace: 'cdc.public.docs',
    fields,
    'connect.name': 'cdc.public.docs.Value',
  });
  const id = { name: 'id', type: 'long' };
  const deleted = { name: '__deleted', type: 'string' };
  const key = { type: 'record', name: 'Key', namespace: 'cdc.public.docs', fields: [id] };

  it('are read by the schema each names, as the table’s columns change', async () => {
    fake.schemas.set(`${ids}/10`, registered(key));
    fake.schemas.set(`${ids}/11`, registered(rowOf([id, { name: 'body', type: 'string' }, deleted])));
    fake.schemas.set(
      `${ids}/12`,
      registered(rowOf([id, { name: 'body', type: ['null', 'string'] }, { name: 'lang', type: 'string' }, deleted])),
    );
    const decoder = createRecordDecoder({ source: 'app', tables: [table('public.docs')], registry: connect() });
    const before = framed(11, [...encodeLong(2n ** 53n + 1n), ...encodeText('x'), ...encodeText('false')]);
    const after = framed(12, [...encodeLong(7), ...encodeLong(0), ...encodeText('de'), ...encodeText('false')]);
    const first = decoder.decode(
      record({ offset: 0, key: framed(10, encodeLong(2n ** 53n + 1n)), value: before }),
      0,
      never,
    );
    expect(first).toBeInstanceOf(Promise);
    expect((await first).event).toMatchObject({
      kind: 'row-upserted',
      key: '["9007199254740993"]',
      row: { id: 2n ** 53n + 1n, body: 'x' },
    });
    const second = await decoder.decode(record({ offset: 1, key: framed(10, encodeLong(7)), value: after }), 0, never);
    expect(second.event).toMatchObject({ key: '[7]', row: { id: 7, body: null, lang: 'de' } });
    // All schemas are known now.
    const third = decoder.decode(record({ offset: 2, key: framed(10, encodeLong(7)), value: after }), 0, never);
    expect(third).not.toBeInstanceOf(Promise);
    // The key may be JSON all the same.
    const mixed = decoder.decode(record({ offset: 3, key: { id: 7 }, value: after }), 0, never);
    expect(mixed).toMatchObject({ event: { key: '[7]' } });
  });

  it('wait while the registry is away, and are dead letters with their key where the value’s schema is unknown', async () => {
    fake.schemas.set(`${ids}/10`, registered(key));
    const decoder = createRecordDecoder({ source: 'app', tables: [table('public.docs')], registry: connect() });
    const one = record({ offset: 0, key: framed(10, encodeLong(7)), value: framed(99, [0]) });
    fake.before = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    expect(await failure(decoder.decode(one, 0, never))).toMatchObject({ kind: 'transient' });
    fake.before = () => false;
    expect((await decoder.decode(one, 0, never)).event).toMatchObject({
      kind: 'undecodable',
      key: '[7]',
      error: { code: 'SCHEMA_UNKNOWN' },
    });
    fake.schemas.set(`${ids}/12`, registered(rowOf([id])));
    const damaged = record({ offset: 1, key: framed(10, encodeLong(7)), value: framed(12, [0x80]) });
    expect((await decoder.decode(damaged, 0, never)).event).toMatchObject({
      kind: 'undecodable',
      key: '[7]',
      error: { code: 'AVRO_UNREADABLE' },
    });
  });
});
