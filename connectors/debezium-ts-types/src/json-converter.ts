import { parseConnectSchema } from './connect-schema.ts';
import type { ConnectSchema } from './connect-schema.ts';
import { DebeziumDecodeError } from './errors.ts';
import { decodeUtf8, parseJson, parseJsonFrom, payloadStart } from './json.ts';
import { isObject } from './objects.ts';
import type { PlainObject } from './objects.ts';
import type { Parsed } from './reading.ts';

/** `{"schema":…,"payload":` of a record, and the schema it holds. */
interface Prefix {
  readonly text: string;
  readonly schema: ConnectSchema;
}

/** While tables change, records of a few schemas follow one another; beyond that, schemas are hostile or of no use to remember. */
const PREFIXES_PER_TOPIC_MAX = 4;
const CHARACTERS_MAX = 16_000_000;

class Prefixes {
  readonly #byTopic = new Map<string, readonly Prefix[]>();
  #characters = 0;

  of(topic: string, json: string): Prefix | undefined {
    // A slice is compared as memory; startsWith goes through the characters, twenty times slower.
    return this.#byTopic.get(topic)?.find(({ text: seen }) => json.slice(0, seen.length) === seen);
  }

  remember(topic: string, prefix: Prefix): void {
    this.#characters += prefix.text.length;
    if (this.#characters > CHARACTERS_MAX) {
      this.#byTopic.clear();
      this.#characters = prefix.text.length;
    }
    const others = this.#byTopic.get(topic) ?? [];
    this.#byTopic.set(topic, [prefix, ...others.slice(0, PREFIXES_PER_TOPIC_MAX - 1)]);
  }
}

/**
 * What Connect's JsonConverter wrote, with schemas or without. A schema is several times the size of its payload and the same text record
 * after record: its text is compared, not parsed again.
 */
export class JsonConverter {
  readonly #values = new Prefixes();
  readonly #keys = new Prefixes();

  /** @throws {DebeziumDecodeError} */
  value(topic: string, raw: Uint8Array | string): Parsed {
    return parse(this.#values, topic, text(raw, 'value'), 'value');
  }

  /** A key that is no JSON is the text of a StringConverter. @throws {DebeziumDecodeError} */
  key(topic: string, raw: Uint8Array | string): Parsed {
    const key = text(raw, 'key');
    try {
      return parse(this.#keys, topic, key, 'key');
    } catch (error) {
      const plain = error instanceof DebeziumDecodeError && error.code === 'INVALID_JSON' && !/^\s*["{[]/.test(key);
      if (plain) return { data: key, schema: undefined };
      throw error;
    }
  }
}

function parse(known: Prefixes, topic: string, json: string, where: string): Parsed {
  if (!json.startsWith('{"schema":')) return unwrap(parseJson(json, where), where);
  const prefix = known.of(topic, json);
  if (prefix !== undefined) {
    return { data: parseJsonFrom(json, prefix.text.length, '}', `${where}.payload`), schema: prefix.schema };
  }
  const parsed = unwrap(parseJson(json, where), where);
  const start = parsed.schema === undefined ? undefined : payloadStart(json);
  if (parsed.schema !== undefined && start !== undefined) {
    known.remember(topic, { text: copyOf(json.slice(0, start)), schema: parsed.schema });
  }
  return parsed;
}

const text = (raw: Uint8Array | string, where: string): string =>
  typeof raw === 'string' ? raw : decodeUtf8(raw, where);

/** A slice would keep the whole record alive. */
const copyOf = (slice: string): string => Buffer.from(slice).toString();

/** `{schema, payload}` and nothing else, the schema being one: otherwise the object is the data. */
function unwrap(json: unknown, where: string): Parsed {
  if (!isObject(json) || !isWrapped(json)) return { data: json, schema: undefined };
  const { schema, payload } = json;
  return { data: payload, schema: schema === null ? undefined : parseConnectSchema(schema, `${where}.schema`) };
}

function isWrapped(json: PlainObject): boolean {
  if (!Object.hasOwn(json, 'schema') || !Object.hasOwn(json, 'payload') || Object.keys(json).length !== 2) return false;
  const { schema, payload } = json;
  return (
    (isObject(schema) && Object.hasOwn(schema, 'type')) || (schema === null && (payload === null || isObject(payload)))
  );
}
