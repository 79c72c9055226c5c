import type { ConnectSchema } from './connect-schema.ts';
import type { ColumnValue } from './values.ts';

export interface ValueOptions {
  /** Default `__debezium_unavailable_value`. */
  readonly unavailableValue?: string | undefined;
}

/** A value as a converter gave it (JSON or Avro) → the exact JavaScript value that its schema means. @throws {DebeziumDecodeError} */
export function toValue(_raw: unknown, _schema: ConnectSchema, _options: ValueOptions = {}): ColumnValue {
  throw new Error('not yet');
}
