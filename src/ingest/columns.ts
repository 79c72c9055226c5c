import { UNCHANGED, type ColumnValue, type Row } from '../domain/change.ts';
import { FreshetError } from '../domain/errors.ts';
import type { MetadataValue } from '../domain/document.ts';
import type { TableMapping, Template } from '../domain/mapping.ts';

const PLACEHOLDER = /\{\{|\}\}|\{([^{}]+)\}/g;

export function templateColumns(template: Template): readonly string[] {
  return [...template.matchAll(PLACEHOLDER)].flatMap((match) => (match[1] === undefined ? [] : [match[1].trim()]));
}

/** Fills `{column}` placeholders; `{{` and `}}` become single braces. */
export function renderTemplate(template: Template, value: (column: string) => string): string {
  return template.replace(PLACEHOLDER, (match, column: string | undefined) =>
    column === undefined ? match.charAt(0) : value(column.trim()),
  );
}

const columnsOf = new WeakMap<TableMapping, readonly string[]>();

/** Every column a mapping reads, in no particular order, without those it drops. */
export function mappingColumns(mapping: TableMapping): readonly string[] {
  let columns = columnsOf.get(mapping);
  if (columns === undefined) columnsOf.set(mapping, (columns = readColumns(mapping)));
  return columns;
}

function readColumns(mapping: TableMapping): readonly string[] {
  const names = new Set([
    ...templateColumns(mapping.text),
    ...templateColumns(mapping.title ?? ''),
    ...templateColumns(mapping.uri ?? ''),
    ...Object.values(mapping.metadata),
    ...(mapping.metadataFrom === undefined ? [] : [mapping.metadataFrom]),
    ...('column' in mapping.tenant ? [mapping.tenant.column] : []),
    ...(mapping.access === undefined ? [] : [mapping.access.column]),
    ...(typeof mapping.format === 'object' ? [mapping.format.column] : []),
    ...(mapping.filter === undefined ? [] : filterColumns(mapping.filter)),
  ]);
  return [...names].filter((name) => mapping.columns[name] !== 'drop');
}

export function filterColumns(filter: NonNullable<TableMapping['filter']>): readonly string[] {
  if ('and' in filter) return filter.and.flatMap(filterColumns);
  if ('or' in filter) return filter.or.flatMap(filterColumns);
  return [filter.key];
}

/** The mapped columns whose value the source left out (TOAST): to be looked up, never indexed as they are. */
export function unresolvedColumns(row: Row, columns: readonly string[]): readonly string[] {
  return columns.filter((column) => row[column] === UNCHANGED);
}

/** @throws poison MAPPING_COLUMN_MISSING when the source has no such column (renamed or dropped), TOAST_VALUE_UNAVAILABLE */
export function columnValue(row: Row, column: string, mapping: TableMapping): ColumnValue {
  if (mapping.columns[column] === 'drop') return null;
  const value = row[column];
  if (value === undefined) {
    throw new FreshetError(
      'MAPPING_COLUMN_MISSING',
      'poison',
      `Table ${mapping.table} has no column "${column}", which its mapping reads. If it was renamed, change the mapping and restart; ` +
        `then "freshet dlq retry all".`,
      { details: { table: mapping.table, column } },
    );
  }
  if (value === UNCHANGED) {
    // The pipeline has looked it up before it maps; a scan that could not must not take it for empty text.
    throw new FreshetError(
      'TOAST_VALUE_UNAVAILABLE',
      'poison',
      `A row of table ${mapping.table} came without its unchanged large column "${column}". Set REPLICA IDENTITY FULL on the table, or ` +
        `give the source a connection for look-ups.`,
      { details: { table: mapping.table, column } },
    );
  }
  return value;
}

/** A value as text for a template: arrays joined by ", ", objects as JSON, NULL as nothing. */
export function valueText(value: ColumnValue): string {
  if (value === null || value === undefined || typeof value === 'symbol') return '';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return '';
  if (Array.isArray(value)) return value.map((item) => valueText(item as ColumnValue)).join(', ');
  if (typeof value === 'object') {
    return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
  }
  return String(value);
}

/** A value as metadata: scalars as they are (64-bit integers as numbers where exact, else text), arrays as text lists. */
export function valueMetadata(value: ColumnValue): MetadataValue | undefined {
  if (value === null || value === undefined || typeof value === 'symbol' || value instanceof Uint8Array)
    return undefined;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map((item) => valueText(item as ColumnValue));
  return valueText(value);
}

/** An access list from text[], a JSON array or comma-separated text. NULL and empty mean everyone of the tenant. */
export function valueAccess(value: ColumnValue): readonly string[] {
  if (Array.isArray(value)) return value.map((item) => valueText(item as ColumnValue)).filter((item) => item !== '');
  return valueText(value)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
