import { FreshetError } from '../../../src/domain/errors.ts';

/**
 * Reads Avro's binary encoding (Avro 1.12 specification, "Binary Encoding") by a schema.
 *
 * Of our own for two reasons: 64-bit numbers stay exact, and no length or count in a record is believed before the bytes are there. With
 * the usual library a record of seven bytes that announces an array of 2^31 items takes the whole process down.
 */
export interface AvroReader {
  /**
   * Integers beyond 2^53 are bigint, `bytes` and `fixed` a view into `bytes`, records and maps plain objects without a prototype.
   * @throws poison AVRO_UNREADABLE
   */
  read(bytes: Uint8Array, offset: number): unknown;
}

/** Deeper than this no row is nested; recursive schemas would otherwise nest as deep as a record likes. */
const DEPTH_MAX = 64;
/** Items that take no bytes (null, empty records) are bounded by count instead of length. */
const EMPTY_ITEMS_MAX = 10_000;

type Read = (input: Input, depth: number) => unknown;

/** @throws poison AVRO_SCHEMA_UNREADABLE */
export function compileAvro(schema: unknown): AvroReader {
  const read = new Compiler().compile(schema, '');
  return {
    read(bytes, offset) {
      const input = new Input(bytes, offset);
      const value = read(input, 0);
      if (input.left !== 0) throw unreadable('it goes on behind its end');
      return value;
    },
  };
}

function unreadable(why: string): FreshetError {
  return new FreshetError(
    'AVRO_UNREADABLE',
    'poison',
    `An Avro record does not fit the schema it names: ${why}. It was damaged, or written by something other than the connector.`,
  );
}

function badSchema(why: string): FreshetError {
  return new FreshetError('AVRO_SCHEMA_UNREADABLE', 'poison', `A registered Avro schema cannot be read: ${why}.`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a record from where its data begins. */
class Input {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = offset;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw unreadable('it ends too soon');
    this.#at += 1;
    return byte;
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.left) throw unreadable('a length points behind its end');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  float(): number {
    return this.take(4).readFloatLE(0);
  }

  double(): number {
    return this.take(8).readDoubleLE(0);
  }

  text(): string {
    const bytes = this.take(this.length());
    const text = bytes.toString('utf8');
    // What is not UTF-8 becomes U+FFFD: then, and only then, look closely.
    if (text.includes('\uFFFD')) {
      try {
        return utf8.decode(bytes);
      } catch {
        throw unreadable('a text is not UTF-8');
      }
    }
    return text;
  }

  /** Variable-length zig-zag, at most ten bytes. */
  long(): number | bigint {
    let low = 0;
    let scale = 1;
    // Seven bytes hold 49 bits: exact in a double, and nearly every number there is.
    for (let i = 0; i < 7; i += 1) {
      const byte = this.byte();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return low % 2 === 0 ? low / 2 : -(low + 1) / 2;
      scale *= 128;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (value >= 1n << 64n) break;
      const signed = value & 1n ? -((value + 1n) >> 1n) : value >> 1n;
      const number = Number(signed);
      return Number.isSafeInteger(number) ? number : signed;
    }
    throw unreadable('a number has more than 64 bits');
  }

  int(): number {
    const value = this.long();
    if (typeof value === 'bigint' || value < -0x8000_0000 || value > 0x7fff_ffff) {
      throw unreadable('an int has more than 32 bits');
    }
    return value;
  }

  /** Of text, bytes, or a block. */
  length(): number {
    const length = this.long();
    if (typeof length === 'bigint') throw unreadable('a length points behind its end');
    return length;
  }
}

const PRIMITIVES: Readonly<Record<string, Read>> = {
  null: () => null,
  boolean: (input) => {
    const byte = input.byte();
    if (byte > 1) throw unreadable('a boolean is neither 0 nor 1');
    return byte === 1;
  },
  int: (input) => input.int(),
  long: (input) => input.long(),
  float: (input) => input.float(),
  double: (input) => input.double(),
  bytes: (input) => input.take(input.length()),
  string: (input) => input.text(),
};

interface Definition {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly namespace?: unknown;
  readonly fields?: unknown;
  readonly symbols?: unknown;
  readonly items?: unknown;
  readonly values?: unknown;
  readonly size?: unknown;
}

/** Turns schemas into readers, once per schema; named types may be recursive. */
class Compiler {
  readonly #named = new Map<string, Read>();

  compile(schema: unknown, namespace: string): Read {
    if (typeof schema === 'string') return this.#byName(schema, namespace);
    if (Array.isArray(schema)) return this.#union(schema, namespace);
    if (typeof schema !== 'object' || schema === null)
      throw badSchema('a type is neither a name, a list nor an object');
    const definition = schema as Definition;
    switch (definition.type) {
      case 'record':
      case 'error':
        return this.#record(definition, namespace);
      case 'enum':
        return this.#enum(definition, namespace);
      case 'fixed':
        return this.#fixed(definition, namespace);
      case 'array':
        return array(this.compile(definition.items, namespace));
      case 'map':
        return map(this.compile(definition.values, namespace));
      default:
        // `{"type": "string", "connect.name": …}` and `{"type": {"type": …}}` are what they wrap.
        return this.compile(definition.type, namespace);
    }
  }

  #byName(name: string, namespace: string): Read {
    const read = Object.hasOwn(PRIMITIVES, name) ? PRIMITIVES[name] : this.#named.get(fullName(name, namespace));
    const found = read ?? this.#named.get(name);
    if (found === undefined) throw badSchema('it names a type that it does not define');
    return found;
  }

  #union(branches: readonly unknown[], namespace: string): Read {
    const reads = branches.map((branch) => this.compile(branch, namespace));
    return (input, depth) => {
      const read = reads[input.length()];
      if (read === undefined) throw unreadable('a union has no such branch');
      return read(input, depth);
    };
  }

  #record(definition: Definition, outer: string): Read {
    const { name, namespace } = nameOf(definition, outer);
    const names: string[] = [];
    const reads: Read[] = [];
    const read: Read = (input, depth) => {
      if (depth > DEPTH_MAX) throw unreadable('it is nested too deep');
      const record = Object.create(null) as Record<string, unknown>;
      for (let i = 0; i < names.length; i += 1) record[names[i] as string] = (reads[i] as Read)(input, depth + 1);
      return record;
    };
    this.#named.set(name, read);
    if (!Array.isArray(definition.fields)) throw badSchema('a record has no fields');
    for (const field of definition.fields as readonly Definition[]) {
      if (typeof field?.name !== 'string') throw badSchema('a field has no name');
      names.push(field.name);
      reads.push(this.compile(field.type, namespace));
    }
    return read;
  }

  #enum(definition: Definition, outer: string): Read {
    const { symbols } = definition;
    if (!Array.isArray(symbols)) throw badSchema('an enum has no symbols');
    const read: Read = (input) => {
      const symbol = symbols[input.int()] as unknown;
      if (typeof symbol !== 'string') throw unreadable('an enum has no such symbol');
      return symbol;
    };
    this.#named.set(nameOf(definition, outer).name, read);
    return read;
  }

  #fixed(definition: Definition, outer: string): Read {
    const { size } = definition;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw badSchema('a fixed has no size');
    const read: Read = (input) => input.take(size);
    this.#named.set(nameOf(definition, outer).name, read);
    return read;
  }
}

const fullName = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;

function nameOf({ name, namespace }: Definition, outer: string): { readonly name: string; readonly namespace: string } {
  if (typeof name !== 'string') throw badSchema('a named type has no name');
  const full = fullName(name, typeof namespace === 'string' ? namespace : outer);
  return { name: full, namespace: full.includes('.') ? full.slice(0, full.lastIndexOf('.')) : '' };
}

/** Blocks of an array or a map: a count, negative with the block's size in bytes behind it, until a count of nothing. */
function blocks(input: Input, item: () => void): void {
  let empty = 0;
  for (let count = input.length(); count !== 0; count = input.length()) {
    if (count < 0) {
      count = -count;
      input.length();
    }
    for (let i = 0; i < count; i += 1) {
      const before = input.left;
      item();
      if (input.left === before && (empty += 1) > EMPTY_ITEMS_MAX) throw unreadable('a list has too many empty items');
    }
  }
}

function array(read: Read): Read {
  return (input, depth) => {
    if (depth > DEPTH_MAX) throw unreadable('it is nested too deep');
    const items: unknown[] = [];
    blocks(input, () => void items.push(read(input, depth + 1)));
    return items;
  };
}

function map(read: Read): Read {
  return (input, depth) => {
    if (depth > DEPTH_MAX) throw unreadable('it is nested too deep');
    const entries = Object.create(null) as Record<string, unknown>;
    blocks(input, () => {
      const key = input.text();
      entries[key] = read(input, depth + 1);
    });
    return entries;
  };
}
