import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecordDecoder } from '../../../../connectors/kafka/decode/decoder.ts';
import { createSchemaRegistry, type SchemaRegistry } from '../../../../connectors/kafka/registry/client.ts';
import { startRegistry, type Registry } from '../../../../scripts/stack/index.ts';
import { encodeLong, encodeText, framed } from '../decode/avro-encode.ts';
import { record, table } from '../decode/records.ts';

const never = new AbortController().signal;

let server: Registry;
let registry: SchemaRegistry;

beforeAll(async () => {
  server = await startRegistry();
  registry = createSchemaRegistry({ url: server.confluentUrl });
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

async function register(subject: string, schema: unknown, references: readonly object[] = []): Promise<number> {
  const response = await fetch(`${server.confluentUrl}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema), ...(references.length === 0 ? {} : { references }) }),
  });
  return ((await response.json()) as { readonly id: number }).id;
}

const failure = (work: unknown): Promise<unknown> =>
  Promise.resolve(work).then(
    () => undefined,
    (error: unknown) => error,
  );

const row = (fields: readonly object[]): object => ({
  type: 'record',
  name: 'Value',
  namespace: 'cdc.public.docs',
  fields: [{ name: 'id', type: 'long' }, ...fields, { name: '__deleted', type: 'string' }],
});

describe('Apicurio’s Confluent-compatible API', () => {
  it('gives schemas by id, as they change under the records', async () => {
    const key = await register('docs-key', {
      type: 'record',
      name: 'Key',
      namespace: 'cdc.public.docs',
      fields: [{ name: 'id', type: 'long' }],
    });
    const first = await register('docs-value', row([{ name: 'body', type: 'string' }]));
    const second = await register(
      'docs-value',
      row([
        { name: 'body', type: 'string' },
        { name: 'lang', type: ['null', 'string'], default: null },
      ]),
    );
    expect(second).not.toBe(first);
    const decoder = createRecordDecoder({ source: 'app', tables: [table('public.docs')], registry });
    const old = framed(first, [...encodeLong(1), ...encodeText('x'), ...encodeText('false')]);
    const young = framed(second, [
      ...encodeLong(1),
      ...encodeText('y'),
      ...encodeLong(1),
      ...encodeText('de'),
      ...encodeText('false'),
    ]);
    const read = async (offset: number, value: Uint8Array): Promise<unknown> =>
      (await decoder.decode(record({ offset, key: framed(key, encodeLong(1)), value }), 0, never)).event;
    expect(await read(0, old)).toMatchObject({ kind: 'row-upserted', key: '[1]', row: { id: 1, body: 'x' } });
    expect(await read(1, young)).toMatchObject({ row: { id: 1, body: 'y', lang: 'de' } });
    expect(await read(2, old)).toMatchObject({ row: { id: 1, body: 'x' } });
  });

  it('gives what a schema refers to', async () => {
    const unit = { type: 'enum', name: 'Unit', namespace: 'shop', symbols: ['EUR', 'USD'] };
    await register('unit', unit);
    const id = await register(
      'priced-value',
      { type: 'record', name: 'Priced', namespace: 'shop', fields: [{ name: 'unit', type: 'shop.Unit' }] },
      [{ name: 'shop.Unit', subject: 'unit', version: 1 }],
    );
    expect((await registry.schema(id, never)).references).toEqual([unit]);
  });

  it('tells an unknown id from an address that is none', async () => {
    expect(await failure(registry.schema(987_654, never))).toMatchObject({ code: 'SCHEMA_UNKNOWN', kind: 'poison' });
    await using elsewhere = createSchemaRegistry({ url: `${server.url}/apis/nothing/here` });
    expect(await failure(elsewhere.schema(1, never))).toMatchObject({ code: 'REGISTRY_NOT_THERE', kind: 'fatal' });
  });

  it('is waited for while it is away', async () => {
    const id = await register('late', 'string');
    await server.kill9();
    expect(await failure(registry.schema(id, never))).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      kind: 'transient',
    });
    await server.start();
    expect(await registry.schema(id, never)).toMatchObject({ id, schema: 'string' });
  });
});
