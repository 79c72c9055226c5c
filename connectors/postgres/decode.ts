import pg from 'pg';
import type { ColumnValue } from '../../src/domain/change.ts';
import type { Database } from './connection.ts';

export type Decode = (text: string) => ColumnValue;

const asText: Decode = (text) => text;
const asNumber: Decode = (text) => Number(text);

/** `2026-11-20 09:15:42.5` → RFC 3339. Infinities and years BC have no such form and stay as they are. */
function asTimestamp(text: string): ColumnValue {
  const match = /^(\d{4,}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?:\+00)?$/.exec(text);
  return match === null ? text : `${match[1]}T${match[2]}Z`;
}

/**
 * By pg_type OID (pg_type.dat; fixed for ever). A `timestamp` without time zone is written as UTC. JSON numbers beyond 2^53 lose digits:
 * JSON.parse of Node 20 has no access to their text. All other types are text.
 */
const BUILT_IN = new Map<number, Decode>([
  [16, (text) => text === 't'],
  [17, (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'))],
  [20, (text) => BigInt(text)],
  [21, asNumber],
  [23, asNumber],
  [26, asNumber],
  [700, asNumber],
  [701, asNumber],
  [114, (text) => JSON.parse(text) as ColumnValue],
  [3802, (text) => JSON.parse(text) as ColumnValue],
  [1114, asTimestamp],
  [1184, asTimestamp],
  ...[18, 19, 25, 1042, 1043, 1082, 1083, 1266, 1700, 2950].map((oid) => [oid, asText] as const),
]);

interface TypeRow {
  readonly oid: number;
  readonly base: number;
  readonly element: number | null;
  readonly delimiter: string;
}

const { arrayParser } = pg.types as unknown as {
  arrayParser: { create(text: string, transform: (element: string) => ColumnValue): { parse(): ColumnValue } };
};

/**
 * Text → value by type OID. Streamed values name a domain by its own OID, selected ones by its base type's, so both are looked up in the
 * catalog and end at the same decoder.
 */
export class Decoders {
  readonly #known = new Map(BUILT_IN);
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Must be awaited before `of` for types not seen yet. */
  async learn(oids: readonly number[]): Promise<void> {
    const unknown = [...new Set(oids)].filter((oid) => !this.#known.has(oid));
    if (unknown.length === 0) return;
    const types = await this.#database.query<TypeRow>(
      'reading types',
      `SELECT t.oid::int8::float8 AS oid, t.typbasetype::int8::float8 AS base, t.typdelim AS delimiter,
              (SELECT e.oid::int8::float8 FROM pg_catalog.pg_type e WHERE e.typarray = t.oid) AS element
         FROM pg_catalog.pg_type t WHERE t.oid = ANY($1::oid[])`,
      [unknown],
    );
    await this.learn(types.flatMap(({ base, element }) => [base || element || 25]));
    for (const { oid, base, element, delimiter } of types) {
      if (base !== 0) this.#known.set(oid, this.of(base));
      else if (element !== null && delimiter === ',') {
        const decode = this.of(element);
        this.#known.set(oid, (text) => arrayParser.create(text, decode).parse());
      }
    }
    // A type dropped since, as its rows were logged, is text like any other.
    for (const oid of unknown) if (!this.#known.has(oid)) this.#known.set(oid, asText);
  }

  of(oid: number): Decode {
    const decode = this.#known.get(oid) ?? asText;
    return (text) => {
      try {
        return decode(text);
      } catch {
        // An extension's type may borrow a built-in's name for other text: as text it is at least right.
        return text;
      }
    };
  }
}
