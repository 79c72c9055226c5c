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
const TOPICS_MAX = 1_000;

/**
 * What Connect's JsonConverter wrote, with schemas or without. A schema is several times the size of its payload and the same text record
 * after record: its text is compared, not parsed again.
 */
export class JsonConverter {
  readonly #prefixes = new Map<string, Prefix[]>();

  /** @throws {DebeziumDecodeError} */
  value(topic: string, raw: Uint8Array | string): Parsed {
    return this.#parse(`value ${topic}`, text(raw, 'value'), 'value');
  }

  /** A key that is no JSON is the text of a StringConverter. @throws {DebeziumDecodeError} */
  key(topic: string, raw: Uint8Array | string): Parsed {
    const key = text(raw, 'key');
    try {
      return this.#parse(`key ${topic}`, key, 'key');
    } catch (error) {
      const plain = error instanceof DebeziumDecodeError && error.code === 'INVALID_JSON' && !/^\s*["{[]/.test(key);
      if (plain) return { data: key, schema: undefined };
      throw error;
    }
  }

  #parse(cacheKey: string, json: string, where: string): Parsed {
    if (!json.startsWith('{"schema":')) return unwrap(parseJson(json, where), where);
    const known = this.#prefixes.get(cacheKey)?.find((prefix) => json.startsWith(prefix.text));
    if (known !== undefined) {
      return { data: parseJsonFrom(json, known.text.length, '}', `${where}.payload`), schema: known.schema };
    }
    const parsed = unwrap(parseJson(json, where), where);
    const start = parsed.schema === undefined ? undefined : payloadStart(json);
    if (parsed.schema !== undefined && start !== undefined) {
      this.#remember(cacheKey, { text: copyOf(json.slice(0, start)), schema: parsed.schema });
    }
    return parsed;
  }

  #remember(cacheKey: string, prefix: Prefix): void {
    if (this.#prefixes.size >= TOPICS_MAX) this.#prefixes.clear();
    const others = this.#prefixes.get(cacheKey) ?? [];
    this.#prefixes.set(cacheKey, [prefix, ...others.slice(0, PREFIXES_PER_TOPIC_MAX - 1)]);
  }
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
