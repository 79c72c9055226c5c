import { UNCHANGED } from '../../../../src/domain/change.ts';
import { tableId } from '../../../../src/domain/ids.ts';
import type { DecodedTable } from '../../../../connectors/kafka/decode/decoder.ts';
import type { KafkaRecord } from '../../../../connectors/kafka/record.ts';

export const never = new AbortController().signal;

export const table = (name: string, more: Partial<DecodedTable> = {}): DecodedTable => ({
  id: tableId(`app.${name}`),
  name,
  ...more,
});

const BIGINT = '@@bigint:';

const exactJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${BIGINT}${part}` : part)).replaceAll(
    /"@@bigint:(-?\d+)"/g,
    '$1',
  );

const encode = (value: unknown): Uint8Array | null =>
  value === null || value === undefined ? null : Buffer.from(typeof value === 'string' ? value : exactJson(value));

export interface RecordParts {
  readonly topic?: string;
  readonly partition?: number;
  readonly offset: number;
  readonly timestamp?: number;
  /** Objects are written as JSON, text as it is; bigints keep their digits. */
  readonly key?: unknown;
  readonly value?: unknown;
  readonly headers?: KafkaRecord['headers'];
}

export const PLACEHOLDER = '__debezium_unavailable_value';

export function record({
  topic = 'cdc.public.docs',
  partition = 0,
  offset,
  timestamp,
  key,
  value,
  headers = {},
}: RecordParts): KafkaRecord {
  return {
    topic,
    partition,
    offset: BigInt(offset),
    timestamp: timestamp ?? 1_700_000_000_000 + offset,
    key: key instanceof Uint8Array ? key : encode(key),
    value: value instanceof Uint8Array ? value : encode(value),
    headers,
  };
}

export interface ChangeParts {
  readonly op: 'c' | 'u' | 'd' | 'r' | 't';
  readonly before?: object | null;
  readonly after?: object | null;
  readonly table?: string;
  /** `[last commit, LSN]`; undefined: a read outside the log. */
  readonly sequence?: readonly [number | null, number];
  readonly snapshot?: string;
  /** Commit time in microseconds. */
  readonly us?: number;
}

/** The value of a record of Debezium's PostgreSQL connector, as plain JSON. */
export function change({
  op,
  before = null,
  after = null,
  table: name = 'docs',
  sequence,
  snapshot = 'false',
  us = 1_700_000_000_000_000,
}: ChangeParts): object {
  return {
    before,
    after,
    source: {
      version: '3.7.0.Final',
      connector: 'postgresql',
      name: 'cdc',
      ts_ms: Math.floor(us / 1000),
      snapshot,
      db: 'app',
      sequence:
        sequence === undefined
          ? null
          : JSON.stringify([sequence[0] === null ? null : String(sequence[0]), String(sequence[1])]),
      ts_us: us,
      ts_ns: BigInt(us) * 1000n,
      schema: 'public',
      table: name,
      txId: 7,
      lsn: sequence?.[1] ?? null,
      xmin: null,
    },
    transaction: null,
    op,
    ts_ms: Math.floor(us / 1000) + 5,
  };
}

/** JSON that shows symbols and 64-bit integers. */
export const readable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      part === UNCHANGED ? '<unchanged>' : typeof part === 'bigint' ? `${part}n` : part,
    ),
  ) as unknown;
