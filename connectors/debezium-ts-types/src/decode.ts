import type { DecodeOptions, ParsedRecord, RawRecord, TopicRole } from './decode-options.ts';
import { isEnvelope, readEnvelope } from './envelope.ts';
import { DebeziumDecodeError } from './errors.ts';
import { JsonConverter } from './json-converter.ts';
import { isObject } from './objects.ts';
import { Rows } from './reading.ts';
import type { Parsed, Reading } from './reading.ts';
import type { DebeziumRecord } from './records.ts';
import { readService, serviceRole } from './service-records.ts';
import { isMarked, readTombstone, readUnwrapped } from './unwrapped.ts';

export interface Decoder {
  /** Key and value as JSON, with schemas or without. @throws {DebeziumDecodeError} on everything that is not a known record */
  decode(record: RawRecord): DebeziumRecord;
  /** Key and value parsed already, by Avro for one. @throws {DebeziumDecodeError} */
  interpret(record: ParsedRecord): DebeziumRecord;
}

const ABSENT: Parsed = { data: null, schema: undefined };

/** A decoder with options of its own. Keep it: it remembers the schemas it has seen. */
export function createDecoder(options: DecodeOptions = {}): Decoder {
  const converter = new JsonConverter();
  const rows = new Rows(options);
  const roles = new Map<string, TopicRole>(Object.entries(options.roles ?? {}));
  const prefix = options.addedPrefix ?? '__';
  const unwrapped = options.unwrapped ?? 'marked';

  function read(reading: Reading): DebeziumRecord {
    const value = reading.value.data;
    if (value === null || value === undefined) return readTombstone(reading, prefix);
    if (!isObject(value)) throw unknown('The value is neither an object nor null.');
    // An envelope says what it is, wherever it is: heartbeats may be changes of a table, or logical messages.
    if (isEnvelope(value)) return readEnvelope(reading, value);
    const role = roles.get(reading.topic);
    if (role !== undefined && role !== 'rows') return readService(reading, value, role);
    const marked = role === 'rows' || isMarked(reading, value, prefix);
    const service = role === 'rows' ? undefined : serviceRole(reading, value, marked);
    if (service !== undefined) return readService(reading, value, service);
    if (unwrapped === 'any' || (unwrapped === 'marked' && marked)) return readUnwrapped(reading, value, prefix);
    throw unknown(
      'The value is no record of Debezium. If it is a row after ExtractNewRecordState, add fields to it (add.fields=op,source.ts_ms) or set unwrapped to "any".',
    );
  }

  return {
    decode: ({ topic, key, value, headers }) =>
      read({
        topic,
        key: key === null ? ABSENT : converter.key(topic, key),
        value: value === null ? ABSENT : converter.value(topic, value),
        headers,
        rows,
      }),
    interpret: ({ topic, key, value, keySchema, valueSchema, headers }) =>
      read({
        topic,
        key: { data: key, schema: keySchema },
        value: { data: value, schema: valueSchema },
        headers,
        rows,
      }),
  };
}

/** One record with the default decoder, or with one made for these options: for many records keep a `createDecoder`. */
export function decodeRecord(record: RawRecord, options?: DecodeOptions): DebeziumRecord {
  return decoderFor(options).decode(record);
}

/** @see decodeRecord */
export function interpret(record: ParsedRecord, options?: DecodeOptions): DebeziumRecord {
  return decoderFor(options).interpret(record);
}

const DEFAULT = createDecoder();
/** Options are usually one constant: its decoder is made once. */
const decoders = new WeakMap<DecodeOptions, Decoder>();

function decoderFor(options: DecodeOptions | undefined): Decoder {
  if (options === undefined) return DEFAULT;
  let decoder = decoders.get(options);
  if (decoder === undefined) decoders.set(options, (decoder = createDecoder(options)));
  return decoder;
}

const unknown = (message: string): DebeziumDecodeError => new DebeziumDecodeError('UNKNOWN_SHAPE', 'value', message);
