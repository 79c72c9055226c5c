import { UNCHANGED, type ColumnValue, type Row } from '../../src/domain/change.ts';
import type { RowKey } from '../../src/domain/ids.ts';
import type { Place, ScanPlan } from './scan-fold.ts';

export interface ScannedRow {
  readonly key: RowKey;
  readonly row: Row;
}

interface Waiting {
  row: Row | undefined;
  readonly values: Map<string, ColumnValue>;
  left: number;
  bytes: number;
}

/**
 * Gives out rows as their records come by on a second reading. A row whose last record left columns out waits until the records that have
 * them came by too; only so much waits at a time, the rest is left for a further reading.
 */
export class RowGatherer {
  readonly #plan: ScanPlan;
  readonly #budgetBytes: number;
  /** By place: which rows need what of it. */
  readonly #supplies = new Map<Place, [RowKey, string][]>();
  readonly #waiting = new Map<RowKey, Waiting>();
  readonly #deferred = new Set<RowKey>();
  #bytes = 0;

  constructor(plan: ScanPlan, budgetBytes: number) {
    this.#plan = plan;
    this.#budgetBytes = budgetBytes;
    for (const [key, columns] of plan.missing) {
      for (const [column, place] of columns) {
        this.#supplies.set(place, [...(this.#supplies.get(place) ?? []), [key, column]]);
      }
    }
  }

  /** Whether a record is of use at all. */
  wants(place: Place): boolean {
    return this.#plan.rows.has(place) || this.#supplies.has(place);
  }

  /** Rows that are whole with this record; a column that is nowhere in the log stays left out. */
  take(place: Place, row: Row, bytes: number): readonly ScannedRow[] {
    const done: ScannedRow[] = [];
    for (const [key, column] of this.#supplies.get(place) ?? []) {
      const waiting = this.#wait(key, bytes);
      if (waiting === undefined) continue;
      waiting.left -= 1;
      const value = row[column];
      if (value !== undefined && value !== UNCHANGED) waiting.values.set(column, value);
      done.push(...this.#giveOut(key, waiting));
    }
    const key = this.#plan.rows.get(place);
    if (key === undefined) return done;
    if ((this.#plan.missing.get(key)?.size ?? 0) === 0) return [...done, { key, row }];
    const waiting = this.#wait(key, bytes);
    if (waiting === undefined) return done;
    waiting.row = row;
    return [...done, ...this.#giveOut(key, waiting)];
  }

  /** What a further reading must bring; undefined when nothing was left. */
  rest(): ScanPlan | undefined {
    if (this.#deferred.size === 0) return undefined;
    return {
      rows: new Map([...this.#plan.rows].filter(([, key]) => this.#deferred.has(key))),
      missing: new Map([...this.#plan.missing].filter(([key]) => this.#deferred.has(key))),
    };
  }

  /** Rows of which a record they need did not come by again (it was removed meanwhile): with what there is. */
  unfinished(): readonly ScannedRow[] {
    return [...this.#waiting].flatMap(([key, { row, values }]) =>
      row === undefined ? [] : [{ key, row: { ...row, ...Object.fromEntries(values) } }],
    );
  }

  #wait(key: RowKey, bytes: number): Waiting | undefined {
    if (this.#deferred.has(key)) return undefined;
    let waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      // At least one row gets through, however large.
      if (this.#bytes > this.#budgetBytes) {
        this.#deferred.add(key);
        return undefined;
      }
      waiting = { row: undefined, values: new Map(), left: this.#plan.missing.get(key)?.size ?? 0, bytes: 0 };
      this.#waiting.set(key, waiting);
    }
    waiting.bytes += bytes;
    this.#bytes += bytes;
    return waiting;
  }

  #giveOut(key: RowKey, { row, values, left, bytes }: Waiting): readonly ScannedRow[] {
    if (row === undefined || left > 0) return [];
    this.#waiting.delete(key);
    this.#bytes -= bytes;
    return [{ key, row: { ...row, ...Object.fromEntries(values) } }];
  }
}
