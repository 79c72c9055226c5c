import type { RecordHeaders } from './decode-options.ts';
import { parseJson } from './json.ts';
import { isObject } from './objects.ts';
import { DebeziumDecodeError } from './errors.ts';

/** Debezium's own context headers, on every row of version 3 and later. */
const CONTEXT_HEADER = '__debezium.context.connectorLogicalName';

/** The text of a header; of several under one name the last one, as each transform adds its own. */
export function headerText(headers: RecordHeaders | undefined, name: string): string | undefined {
  if (headers === undefined || !Object.hasOwn(headers, name)) return undefined;
  const given = headers[name];
  const value = Array.isArray(given) ? (given as readonly unknown[]).at(-1) : given;
  if (typeof value === 'string') return value;
  // Replacement characters are harmless here: no header that is read holds more than ASCII names, but for keys, and those are JSON.
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
    : undefined;
}

export const hasDebeziumContext = (headers: RecordHeaders | undefined): boolean =>
  headers !== undefined && Object.hasOwn(headers, CONTEXT_HEADER);

/** `__debezium.newkey` and `__debezium.oldkey`: the key as JSON, with its schema around it or without. */
export function headerKey(headers: RecordHeaders | undefined, name: 'newkey' | 'oldkey'): unknown {
  const text = headerText(headers, `__debezium.${name}`);
  if (text === undefined) return undefined;
  const key = parseJson(text, `headers.__debezium.${name}`);
  const payload = isObject(key) && isObject(key['schema']) && 'payload' in key ? key['payload'] : key;
  if (payload === null || typeof payload === 'object' || typeof payload === 'string') return payload;
  throw new DebeziumDecodeError('INVALID_FIELD', `headers.__debezium.${name}`, 'A key was expected.');
}
