import { DebeziumDecodeError } from 'debezium-ts-types';
import type { ConnectField, DecodeErrorCode, RawRecord } from 'debezium-ts-types';
import { expect } from 'vitest';

/** A source block as PostgreSQL's connector writes it. */
export const SOURCE = {
  version: '3.7.0.Final',
  connector: 'postgresql',
  name: 'shop',
  ts_ms: 1_790_000_000_123,
  snapshot: 'false',
  db: 'shop',
  sequence: '["1000","1040"]',
  ts_us: 1_790_000_000_123_456,
  schema: 'public',
  table: 'products',
  txId: 77,
  lsn: 1040,
  xmin: null,
};

export interface Given {
  readonly topic?: string;
  readonly key?: unknown;
  readonly value?: unknown;
  readonly headers?: RawRecord['headers'];
}

/** A record with key and value as JSON; a string is taken as it is. */
export function record({ topic = 'shop.public.products', key = { id: 1 }, value = null, headers }: Given): RawRecord {
  const json = (data: unknown): string | null =>
    data === null || typeof data === 'string' ? data : JSON.stringify(data);
  return { topic, key: json(key), value: json(value), headers };
}

export const envelope = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
  before: null,
  after: null,
  source: SOURCE,
  transaction: null,
  ts_ms: 1_790_000_000_200,
  ...fields,
});

/** A value with its schema, as Connect's JsonConverter writes an envelope whose rows have these columns. */
export function wrapped(columns: readonly ConnectField[], value: Readonly<Record<string, unknown>>): unknown {
  const row = { type: 'struct', fields: columns, optional: true, name: 'shop.public.products.Value' };
  const fields = [
    { ...row, field: 'before' },
    { ...row, field: 'after' },
    { type: 'string', optional: false, field: 'op' },
  ];
  return { schema: { type: 'struct', fields, optional: false, name: 'shop.public.products.Envelope' }, payload: value };
}

/** Runs it, expects the package's own error, and that no value of the record is in it. */
export function failure(run: () => unknown, code: DecodeErrorCode, secret?: string): DebeziumDecodeError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DebeziumDecodeError);
    const failed = error as DebeziumDecodeError;
    expect(failed.code).toBe(code);
    if (secret !== undefined) expect(`${failed.message} ${failed.where} ${failed.stack}`).not.toContain(secret);
    return failed;
  }
  throw new Error(`Nothing was thrown, ${code} was expected.`);
}
