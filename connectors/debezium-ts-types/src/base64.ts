import { DebeziumDecodeError } from './errors.ts';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** @throws {DebeziumDecodeError} on anything else: Node's own decoder skips what it does not know. */
export function decodeBase64(text: string, where: string): Uint8Array {
  if (text.length % 4 !== 0 || !BASE64.test(text)) {
    throw new DebeziumDecodeError('INVALID_VALUE', where, 'Bytes are base64 text.');
  }
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** Bytes of a converter: base64 in JSON, a Buffer in Avro. A Uint8Array of its own, so that no pool is kept alive and equality is plain. */
export function bytes(raw: unknown, where: string): Uint8Array {
  if (typeof raw === 'string') return decodeBase64(raw, where);
  if (raw instanceof Uint8Array) return new Uint8Array(raw);
  throw new DebeziumDecodeError('INVALID_VALUE', where, 'Bytes are base64 text or a byte array.');
}
