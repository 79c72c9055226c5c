import type { Row } from '../../domain/change.ts';
import { rowScanOf } from '../live-source.ts';
import type { Expectations, ExpectedDocument } from './expected.ts';
import { orPoison, type Expected, type Suspect } from './suspects.ts';

/** What the suspects' rows give now. Looked up by key; where a source can only be read whole, found in one pass over each of their tables. */
export async function expectedNow(
  expectations: Expectations,
  suspects: readonly Suspect[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Suspect, Expected>> {
  const expected = new Map<Suspect, Expected>();
  const sought = new Map<string, Suspect[]>();
  for (const suspect of suspects) {
    const { row, table } = suspect;
    const lookup = row?.live.rowLookup;
    if (row === undefined) expected.set(suspect, undefined);
    else if (lookup === undefined) sought.set(table, [...(sought.get(table) ?? []), suspect]);
    else {
      const look = async () => expectationOf(expectations, suspect, await lookup.row(table, row.key, signal));
      expected.set(suspect, await orPoison(look));
    }
  }
  for (const inTable of sought.values()) {
    for await (const [suspect, row] of readThrough(inTable, signal)) {
      expected.set(suspect, await orPoison(async () => expectationOf(expectations, suspect, row)));
    }
  }
  return expected;
}

async function* readThrough(
  suspects: readonly Suspect[],
  signal: AbortSignal,
): AsyncGenerator<readonly [Suspect, Row]> {
  const [first] = suspects;
  if (first?.row === undefined) return;
  const byKey = new Map(suspects.map((suspect) => [suspect.row?.key, suspect]));
  const scan = rowScanOf(first.row.live, 'Rows that differ cannot be read again');
  for await (const { key, row } of scan.rows(first.table, signal)) {
    const suspect = byKey.get(key);
    if (suspect !== undefined) yield [suspect, row];
  }
}

function expectationOf(
  expectations: Expectations,
  { id, table, row }: Suspect,
  current: Row | undefined,
): ExpectedDocument | undefined {
  const mapping = row?.live.mappings.get(table);
  if (row === undefined || mapping === undefined || current === undefined) return undefined;
  return expectations.of(current, id, row.key, mapping);
}
