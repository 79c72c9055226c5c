import { UNCHANGED, type Row } from '../../src/domain/change.ts';
import type { Chunk, Document, Redacted } from '../../src/domain/document.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { tableId, type TableId } from '../../src/domain/ids.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import type { Chunker } from '../../src/ports/chunker.ts';
import type { Redactor } from '../../src/ports/redactor.ts';

export type Tenant = 'A' | 'B';
/** The stage at which a row turns out to be poison. */
export type Poison = 'decode' | 'redact' | 'embed';

/** A row of the simulated database. Its text is its words; every word carries its row's number, so a chunk says whose it is. */
export interface SimRow {
  readonly words: readonly string[];
  readonly tenant: Tenant;
  readonly note: string;
  /** Rows that are not published do not pass the table's filter. */
  readonly published: boolean;
  /** A column no mapping reads: changing it leaves the document as it was. */
  readonly unmapped: number;
  readonly poison?: Poison;
}

export const POISON_WORD: Readonly<Record<Poison, string>> = { decode: 'garbled', redact: 'leaking', embed: 'refused' };

export const TABLES: readonly TableId[] = [tableId('sim.public.articles'), tableId('sim.public.notes')];

/** What may change between two starts; a difference makes a new generation. */
export interface Settings {
  readonly embedder: number;
  readonly chunker: number;
  readonly mapping: number;
}

export const fingerprintOf = ({ embedder, chunker, mapping }: Settings): string =>
  `e${embedder} c${chunker} m${mapping}`;

/** @param withoutText the source left the large column out, because the change did not touch it */
export function toRow(row: SimRow, key: number, withoutText: boolean): Row {
  return {
    id: key,
    body: withoutText ? UNCHANGED : textOf(row),
    tenant: row.tenant,
    note: row.note,
    published: row.published,
    unmapped: row.unmapped,
  };
}

export const textOf = (row: SimRow): string => row.words.join(' ');

export function mappingOf(table: TableId, { mapping }: Settings): TableMapping {
  return {
    table,
    text: '{body}',
    title: titleOf({ note: '{note}' }, mapping),
    tenant: { column: 'tenant' },
    metadata: { note: 'note' },
    format: 'plain',
    columns: {},
    filter: { key: 'published', op: 'eq', value: true },
  };
}

export const titleOf = ({ note }: Pick<SimRow, 'note'>, mapping: number): string =>
  mapping === 0 ? note : `On ${note}`;

/** One or two words to a chunk, by the settings. */
export function chunkerOf({ chunker }: Pick<Settings, 'chunker'>): Chunker {
  return { fingerprint: `c${chunker}`, split: (document) => splitText(document.text, chunker + 1) };
}

export function splitText(text: string, wordsPerChunk: number): readonly Chunk[] {
  const words = [...text.matchAll(/\S+/g)];
  const chunks: Chunk[] = [];
  for (let at = 0; at < words.length; at += wordsPerChunk) {
    const group = words.slice(at, at + wordsPerChunk);
    const start = group[0]?.index ?? 0;
    const last = group[group.length - 1];
    const end = (last?.index ?? 0) + (last?.[0].length ?? 0);
    chunks.push({ text: text.slice(start, end) as Redacted<string>, start, end, headings: [], tokens: group.length });
  }
  return chunks;
}

export const redactor: Redactor = {
  fingerprint: 'r0',
  redact(document: Document) {
    if (document.text.includes(POISON_WORD.redact)) {
      throw new FreshetError(
        'REDACTOR_FAILED',
        'poison',
        'The redactor of the simulation failed, as the row asked it to.',
      );
    }
    return document as Redacted<Document>;
  },
  redactText: (text) => text as Redacted<string>,
};
