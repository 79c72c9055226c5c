import { z } from 'zod';
import { DebeziumDecodeError } from './errors.ts';

/** The types of a Kafka Connect schema (org.apache.kafka.connect.data.Schema.Type); its JSON converter writes float and double. */
const CONNECT_TYPES = [
  'int8',
  'int16',
  'int32',
  'int64',
  'float',
  'float32',
  'double',
  'float64',
  'boolean',
  'string',
  'bytes',
  'array',
  'map',
  'struct',
] as const;

export type ConnectType = (typeof CONNECT_TYPES)[number];

/** A Kafka Connect schema. `name` carries the logical type (`io.debezium.time.MicroTimestamp`), `parameters` what it needs (`scale`). */
export interface ConnectSchema {
  readonly type: ConnectType;
  readonly optional?: boolean | undefined;
  readonly name?: string | null | undefined;
  readonly parameters?: Readonly<Record<string, string>> | null | undefined;
  /** Fields of a struct, in order. */
  readonly fields?: readonly ConnectField[] | undefined;
  /** Element of an array; key and value of a map. */
  readonly items?: ConnectSchema | undefined;
  readonly keys?: ConnectSchema | undefined;
  readonly values?: ConnectSchema | undefined;
}

export interface ConnectField extends ConnectSchema {
  readonly field: string;
}

const base = {
  type: z.enum(CONNECT_TYPES),
  optional: z.boolean().optional(),
  name: z.string().nullish(),
  parameters: z.record(z.string(), z.string()).nullish(),
};

export const connectSchema: z.ZodType<ConnectSchema> = z.object({
  ...base,
  get fields() {
    return z.array(connectField).optional();
  },
  get items() {
    return connectSchema.optional();
  },
  get keys() {
    return connectSchema.optional();
  },
  get values() {
    return connectSchema.optional();
  },
});

const connectField: z.ZodType<ConnectField> = z.object({
  ...base,
  field: z.string(),
  get fields() {
    return z.array(connectField).optional();
  },
  get items() {
    return connectSchema.optional();
  },
  get keys() {
    return connectSchema.optional();
  },
  get values() {
    return connectSchema.optional();
  },
});

/** @throws {DebeziumDecodeError} INVALID_SCHEMA */
export function parseConnectSchema(raw: unknown, where: string): ConnectSchema {
  const parsed = connectSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const path = [where, ...(parsed.error.issues[0]?.path ?? []).map(String)].join('.');
  throw new DebeziumDecodeError('INVALID_SCHEMA', path, 'Not a Kafka Connect schema.');
}
