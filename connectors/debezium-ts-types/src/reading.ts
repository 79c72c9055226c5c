import type { ConnectSchema } from './connect-schema.ts';
import type { DecodeOptions, RecordHeaders } from './decode-options.ts';
import { asSent, rowByDeclaration, rowBySchema } from './rows.ts';
import type { ToRow } from './rows.ts';
import { DebeziumDecodeError } from './errors.ts';
import { isObject } from './objects.ts';
import type { PlainObject } from './objects.ts';
import { Placeholder } from './placeholder.ts';
import type { RecordKey, Row } from './values.ts';

/** A key or value after its converter: data, and the schema where one came with it. */
export interface Parsed {
  readonly data: unknown;
  readonly schema: ConnectSchema | undefined;
}

/** A record between its converter and its meaning. */
export interface Reading {
  readonly topic: string;
  readonly key: Parsed;
  readonly value: Parsed;
  readonly headers: RecordHeaders | undefined;
  readonly rows: Rows;
}

/** Which row of a record: `row` is the whole value after ExtractNewRecordState. */
export type RowPlace = 'key' | 'before' | 'after' | 'row';

const WHERE: Readonly<Record<RowPlace, string>> = {
  key: 'key',
  before: 'value.before',
  after: 'value.after',
  row: 'value',
};

/** Declared tables are few; topics may be many, and hostile. */
const CACHE_MAX = 10_000;

/** What turns raw rows into exact ones, prepared once per schema or declaration and place. */
export class Rows {
  readonly #placeholder: Placeholder;
  readonly #declared: ReadonlyMap<string, NonNullable<DecodeOptions['columns']>[string]>;
  readonly #bySchema = new WeakMap<ConnectSchema, Map<RowPlace, ToRow>>();
  readonly #byTable = new Map<string, ToRow>();

  constructor(options: DecodeOptions) {
    this.#placeholder = new Placeholder(options.unavailableValue);
    this.#declared = new Map(Object.entries(options.columns ?? {}));
  }

  /** `schema` is that of the row itself. */
  row(raw: PlainObject, schema: ConnectSchema | undefined, reading: Reading, table: string, place: RowPlace): Row {
    const toRow =
      schema === undefined ? this.#byDeclaration(reading.topic, table, place) : this.#bySchemaOf(schema, place);
    return toRow(raw);
  }

  #bySchemaOf(schema: ConnectSchema, place: RowPlace): ToRow {
    let places = this.#bySchema.get(schema);
    if (places === undefined) this.#bySchema.set(schema, (places = new Map()));
    let toRow = places.get(place);
    if (toRow === undefined)
      places.set(place, (toRow = rowBySchema(schema, this.#placeholderFor(place), WHERE[place])));
    return toRow;
  }

  #byDeclaration(topic: string, table: string, place: RowPlace): ToRow {
    const types = this.#declared.get(table) ?? this.#declared.get(topic);
    const name = types === undefined ? place : `${place} ${this.#declared.has(table) ? table : topic}`;
    let toRow = this.#byTable.get(name);
    if (toRow === undefined) {
      toRow = rowByDeclaration(types, this.#placeholderFor(place), WHERE[place]);
      if (this.#byTable.size < CACHE_MAX) this.#byTable.set(name, toRow);
    }
    return toRow;
  }

  #placeholderFor(place: RowPlace): Placeholder | undefined {
    return place === 'key' ? undefined : this.#placeholder;
  }
}

export function keyOf(reading: Reading, table: string): RecordKey | null {
  return toKey(reading, reading.key.data, table);
}

/** Also for keys out of headers, which have the form of the record's own key. */
export function toKey(reading: Reading, data: unknown, table: string): RecordKey | null {
  if (data === null || data === undefined) return null;
  if (isObject(data)) {
    const schema = reading.key.schema?.type === 'struct' ? reading.key.schema : undefined;
    return reading.rows.row(data, schema, reading, table, 'key');
  }
  const scalar = asSent(data);
  if (typeof scalar === 'string' || typeof scalar === 'boolean') return scalar;
  if (typeof scalar === 'number' || typeof scalar === 'bigint') return scalar;
  throw new DebeziumDecodeError('INVALID_FIELD', 'key', 'A key is a struct or a scalar.');
}

/** `cdc.public.articles` → `public.articles`; undefined for a topic whose name does not say its table. */
export function tableOfTopic(topic: string): string | undefined {
  const names = topic.split('.');
  return names.length < 3 ? undefined : names.slice(-2).join('.');
}
