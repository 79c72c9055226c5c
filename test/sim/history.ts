import { rowDocumentId, rowKey, type DocumentId, type RowKey, type TableId } from '../../src/domain/ids.ts';
import type { Random } from './random.ts';
import { POISON_WORD, TABLES, type Poison, type SimRow, type Tenant } from './rows.ts';

export const SOURCE_NAME = 'sim';

/** A row's identity, by its number. */
export interface Key {
  readonly number: number;
  readonly table: TableId;
  readonly rowKey: RowKey;
  readonly document: DocumentId;
}

/** One state of a row over its life; a missing row is a deleted one. Sequence 0 is "never existed". */
export interface RowVersion {
  readonly seq: number;
  /** Number of the operation that made it, over the whole history; 0 for what was there before. */
  readonly operation: number;
  readonly transaction: number;
  readonly row: SimRow | undefined;
}

export type Operation =
  | {
      readonly kind: 'row';
      readonly number: number;
      readonly key: Key;
      readonly version: RowVersion;
      /** The text is as it was and the source leaves it out (TOAST). */
      readonly withoutText: boolean;
    }
  | { readonly kind: 'truncate'; readonly number: number; readonly table: TableId };

export interface Transaction {
  readonly index: number;
  readonly committedAt: number;
  readonly operations: readonly Operation[];
}

export interface HistoryOptions {
  readonly transactions: number;
  readonly truncates: boolean;
  readonly poison: boolean;
  /** Whether the source can look rows up, and so may leave unchanged text out. */
  readonly lookups: boolean;
}

/** Everything that ever happens in the simulated database, made up front from the seed. */
export interface History {
  readonly keys: readonly Key[];
  readonly transactions: readonly Transaction[];
  /** By key number. */
  readonly versions: readonly (readonly RowVersion[])[];
}

const WORDS = 'abcdef';

export function generateHistory(random: Random, options: HistoryOptions): History {
  const tables = TABLES.slice(0, 1 + random.int(2));
  const keys = Array.from({ length: 2 + random.int(4) }, (_, number) => makeKey(number, random.pick(tables)));
  const versions: RowVersion[][] = keys.map(() => [{ seq: 0, operation: 0, transaction: -1, row: undefined }]);
  const row = (key: Key): SimRow | undefined => versions[key.number]?.at(-1)?.row;
  const add = (key: Key, operation: number, transaction: number, next: SimRow | undefined): RowVersion => {
    const list = versions[key.number] as RowVersion[];
    const version = { seq: list.length, operation, transaction, row: next };
    list.push(version);
    return version;
  };

  for (const key of keys) if (random.chance(0.4)) add(key, 0, -1, newRow(random, key));

  const transactions: Transaction[] = [];
  let operations = 0;
  let committedAt = 1_000;
  for (let index = 0; index < options.transactions; index++) {
    committedAt += 1 + random.int(3);
    const list: Operation[] = [];
    let key = random.pick(keys);
    for (let left = random.chance(0.35) ? 2 + random.int(4) : 1; left > 0; left--) {
      const number = ++operations;
      if (options.truncates && random.chance(0.05)) {
        list.push({ kind: 'truncate', number, table: key.table });
        for (const one of keys)
          if (one.table === key.table && row(one) !== undefined) add(one, number, index, undefined);
      } else {
        const before = row(key);
        const after = before === undefined ? newRow(random, key) : nextRow(random, key, before, options);
        const sameText = before !== undefined && after?.words === before.words && after.poison === undefined;
        const withoutText = sameText && options.lookups && random.chance(0.4);
        list.push({ kind: 'row', number, key, version: add(key, number, index, after), withoutText });
      }
      if (random.chance(0.4)) key = random.pick(keys);
    }
    transactions.push({ index, committedAt, operations: list });
  }
  return { keys, transactions, versions };
}

/** The row as it stands after the given transaction. */
export function versionAfter(history: History, key: number, transaction: number): RowVersion {
  const versions = history.versions[key] as readonly RowVersion[];
  let found = versions[0] as RowVersion;
  for (const version of versions) if (version.transaction <= transaction) found = version;
  return found;
}

/** The highest sequence number a truncation covers: readers may see nothing older once it is durable. */
export function seqAtOperation(history: History, key: number, operation: number): number {
  let seq = 0;
  for (const version of history.versions[key] ?? []) if (version.operation <= operation) seq = version.seq;
  return seq;
}

function makeKey(number: number, table: TableId): Key {
  const key = rowKey([number]);
  return { number, table, rowKey: key, document: rowDocumentId(SOURCE_NAME, table, key) };
}

const word = (random: Random, key: Key): string => `${random.pick([...WORDS])}${key.number}`;
const tenant = (random: Random): Tenant => (random.chance(0.5) ? 'A' : 'B');

function newRow(random: Random, key: Key): SimRow {
  return {
    words: Array.from({ length: 1 + random.int(4) }, () => word(random, key)),
    tenant: tenant(random),
    note: `n${random.int(3)}`,
    published: !random.chance(0.08),
    unmapped: 0,
  };
}

function nextRow(random: Random, key: Key, before: SimRow, { poison }: HistoryOptions): SimRow | undefined {
  const { poison: wasPoison, ...row } = before;
  // A poisoned row's next change always replaces its text.
  if (wasPoison !== undefined) return random.chance(0.2) ? undefined : newRow(random, key);
  const choice = random.next();
  if (choice < 0.22) return undefined;
  if (choice < 0.34) return { ...row, tenant: tenant(random) };
  if (choice < 0.4) return { ...row, note: `n${random.int(3)}` };
  if (choice < 0.48) return { ...row, unmapped: row.unmapped + 1 };
  if (choice < 0.53) return { ...row, published: !row.published };
  if (poison && choice < 0.58) return poisoned(random, key, row);
  return { ...row, words: edited(random, key, row.words) };
}

function poisoned(random: Random, key: Key, row: SimRow): SimRow {
  const kind = random.pick<Poison>(['decode', 'redact', 'embed']);
  return { ...row, words: [...row.words.slice(0, 2), `${POISON_WORD[kind]}${key.number}`], poison: kind };
}

function edited(random: Random, key: Key, words: readonly string[]): readonly string[] {
  const next = [...words];
  switch (random.int(4)) {
    case 0:
      next[random.int(next.length)] = word(random, key);
      break;
    case 1:
      next.splice(random.int(next.length + 1), 0, word(random, key));
      break;
    case 2:
      if (next.length > 1) next.splice(random.int(next.length), 1);
      break;
    default:
      next.reverse();
  }
  return next.slice(0, 5);
}
