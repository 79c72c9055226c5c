import { createHash } from 'node:crypto';
import { isObject } from './objects.ts';

export const UNAVAILABLE_VALUE_DEFAULT = '__debezium_unavailable_value';

/** What Debezium 3.3 and later send for an untouched geometry or geography: points no map has. */
const UNAVAILABLE_WKB = new Set(
  ['0101000020E6100000000000FC83D797C1000000FC83D797C1', '0101000020E61000000C21E7FDFF7F66401842CEFBFF7F5640'].map(
    (hex) => Buffer.from(hex, 'hex').toString('base64'),
  ),
);

/**
 * The forms of Debezium's `unavailable.value.placeholder`, which depend on the column's type: the text itself; its bytes (base64 in JSON);
 * arrays with it as their only element, or its UUID (version 3), or one number per byte of it; a map or a json text from it to itself
 * (hstore). An array of booleans has no form of its own: 29 times true may be a value.
 */
export class Placeholder {
  readonly #text: string;
  readonly #bytes: Buffer;
  readonly #base64: string;
  readonly #uuid: string;
  readonly #hstore: string;

  /** `hex:` and hexadecimal digits stand for bytes, as in Debezium's own setting. */
  constructor(setting: string = UNAVAILABLE_VALUE_DEFAULT) {
    this.#bytes = setting.startsWith('hex:') ? Buffer.from(setting.slice(4), 'hex') : Buffer.from(setting);
    this.#text = this.#bytes.toString('utf8');
    this.#base64 = this.#bytes.toString('base64');
    this.#uuid = nameUuid(this.#bytes);
    this.#hstore = JSON.stringify({ [this.#text]: this.#text });
  }

  /** Whether a whole column value is the placeholder; a text that merely contains it is text. */
  is(raw: unknown): boolean {
    if (typeof raw === 'string') return raw === this.#text || raw === this.#base64 || raw === this.#hstore;
    if (typeof raw !== 'object' || raw === null) return false;
    if (raw instanceof Uint8Array) return this.#bytes.equals(raw);
    if (Array.isArray(raw)) return this.#isArray(raw);
    return isObject(raw) && this.#isObject(raw);
  }

  #isArray(raw: readonly unknown[]): boolean {
    const [first] = raw;
    if (raw.length === 1 && (typeof first === 'string' || first instanceof Uint8Array)) {
      return first === this.#uuid || this.is(first);
    }
    return raw.length === this.#bytes.length && raw.every((element, i) => byteOf(element) === this.#bytes[i]);
  }

  #isObject(raw: Readonly<Record<string, unknown>>): boolean {
    const { wkb } = raw;
    if (typeof wkb === 'string') return UNAVAILABLE_WKB.has(wkb);
    if (wkb instanceof Uint8Array) return UNAVAILABLE_WKB.has(Buffer.from(wkb).toString('base64'));
    return Object.hasOwn(raw, this.#text) && raw[this.#text] === this.#text && Object.keys(raw).length === 1;
  }
}

/** The number an array element stands for: itself, or one byte of a decimal (unscaled value, or `{scale, value}`). */
function byteOf(element: unknown): number | undefined {
  if (typeof element === 'number') return element;
  if (typeof element === 'bigint') return Number(element);
  if (element instanceof Uint8Array) return element.length === 1 ? element[0] : undefined;
  if (typeof element === 'string' && element.length === 4) return byteOf(Buffer.from(element, 'base64'));
  return isObject(element) && 'scale' in element ? byteOf(element['value']) : undefined;
}

/** RFC 9562 version 3 without a namespace, as java.util.UUID.nameUUIDFromBytes makes it. */
function nameUuid(bytes: Uint8Array): string {
  const hash = createHash('md5').update(bytes).digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x30, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
