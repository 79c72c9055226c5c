import type { ColumnValue, Row } from '../domain/change.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { requireContract } from '../domain/contract.ts';
import type { Document, Metadata, MetadataValue, TextFormat } from '../domain/document.ts';
import { FreshetError } from '../domain/errors.ts';
import { DEFAULT_TENANT, tenantId, type DocumentId, type RowKey } from '../domain/ids.ts';
import type { ColumnPolicy, TableMapping } from '../domain/mapping.ts';
import { matchesFilter } from '../domain/metadata-filter.ts';
import { createKeyedHash } from '../domain/keyed-hash.ts';
import { columnValue, filterColumns, renderTemplate, valueAccess, valueMetadata, valueText } from './columns.ts';

export interface MapperOptions {
  /** Applies drop, hash and mask to a row's columns before anything is composed from them. */
  readonly applyColumnPolicy: (row: Row, policy: Readonly<Record<string, ColumnPolicy>>) => Row;
  /** HTML to structured plain text, so that offsets are offsets into what is indexed. */
  readonly htmlToText: (html: string) => string;
  /** For the row hash: a plain hash of short texts could be guessed. */
  readonly hashKey: Uint8Array;
  /** Largest text of one document, UTF-16 units. */
  readonly maxTextLength: number;
}

export interface Mapper {
  /** Undefined when the row does not pass the table's filter, which makes it a delete. */
  map(row: Row, id: DocumentId, key: RowKey, mapping: TableMapping): Document | undefined;
  /** Keyed hash of everything the mapping took from the row, hex. Equal hashes mean nothing to redact, chunk or embed. */
  rowHash(document: Document): string;
}

export function createMapper(options: MapperOptions): Mapper {
  const keyed = createKeyedHash(options.hashKey);
  return {
    map: (row, id, key, mapping) => mapRow(row, id, key, mapping, options),
    rowHash: ({ attributes, text, format }) => keyed(canonicalJson({ attributes, format, text })),
  };
}

function mapRow(
  row: Row,
  id: DocumentId,
  key: RowKey,
  mapping: TableMapping,
  options: MapperOptions,
): Document | undefined {
  if (mapping.contract !== undefined) requireContract(row, mapping.contract, mapping.table);
  const value = (column: string): ColumnValue => columnValue(row, column, mapping);
  if (mapping.filter !== undefined) {
    const columns = filterColumns(mapping.filter).map((column) => [column, column] as const);
    if (!matchesFilter(metadataOf(Object.fromEntries(columns), value), mapping.filter)) return undefined;
  }

  const masked = options.applyColumnPolicy(row, mapping.columns);
  const safe = (column: string): ColumnValue => columnValue(masked, column, mapping);
  const render = (template: string): string => cleanText(renderTemplate(template, (column) => valueText(safe(column))));

  const format = formatOf(mapping, value);
  const rendered = render(mapping.text);
  const text = format === 'html' ? options.htmlToText(rendered) : rendered;
  if (text.length > options.maxTextLength) {
    throw new FreshetError(
      'DOCUMENT_TOO_LARGE',
      'poison',
      `A document of table ${mapping.table} has ${text.length} characters; the limit is ${options.maxTextLength} ` +
        `(limits.maxTextLength). Raise the limit or split the row; then "freshet dlq retry".`,
      { details: { table: mapping.table, length: text.length, limit: options.maxTextLength } },
    );
  }
  return {
    id,
    table: mapping.table,
    key,
    // In the order of their names, which is how the row hash wants them.
    attributes: {
      access: mapping.access === undefined ? [] : valueAccess(value(mapping.access.column)).map(cleanText),
      metadata: {
        ...(mapping.metadataFrom === undefined ? {} : membersOf(safe(mapping.metadataFrom))),
        ...metadataOf(mapping.metadata, safe),
      },
      tenant: 'value' in mapping.tenant ? mapping.tenant.value : tenantOf(value(mapping.tenant.column), mapping),
      title: mapping.title === undefined ? '' : render(mapping.title).trim(),
      uri: mapping.uri === undefined ? '' : render(mapping.uri).trim(),
    },
    text,
    format,
  };
}

/** Lone surrogates and NUL cannot be stored as UTF-8 text everywhere; both become what every reader shows for them. */
function cleanText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

function cleanValue(value: MetadataValue): MetadataValue {
  if (typeof value === 'string') return cleanText(value);
  return Array.isArray(value) ? value.map((item: string) => cleanText(item)) : value;
}

function tenantOf(value: ColumnValue, mapping: TableMapping): ReturnType<typeof tenantId> {
  const name = valueText(value).trim();
  if (name !== '') return tenantId(name);
  if (value === null) return DEFAULT_TENANT;
  throw new FreshetError(
    'TENANT_EMPTY',
    'poison',
    `A row of table ${mapping.table} has an empty tenant. Give the row a tenant, or leave the column NULL for the default tenant.`,
    { details: { table: mapping.table } },
  );
}

function formatOf(mapping: TableMapping, value: (column: string) => ColumnValue): TextFormat {
  if (typeof mapping.format === 'string') return mapping.format;
  const name = valueText(value(mapping.format.column)) || 'plain';
  if (name === 'markdown' || name === 'html' || name === 'plain') return name;
  throw new FreshetError(
    'FORMAT_UNKNOWN',
    'poison',
    `A row of table ${mapping.table} names a format in column "${mapping.format.column}" that is none of markdown, html, plain.`,
    { details: { table: mapping.table, column: mapping.format.column } },
  );
}

function metadataOf(fields: Readonly<Record<string, string>>, value: (column: string) => ColumnValue): Metadata {
  const metadata: Record<string, MetadataValue> = {};
  for (const [field, column] of Object.entries(fields)) {
    const found = valueMetadata(value(column));
    if (found !== undefined) metadata[field] = cleanValue(found);
  }
  return metadata;
}

function membersOf(value: ColumnValue): Metadata {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) return {};
  const members = value as Readonly<Record<string, ColumnValue>>;
  return metadataOf(
    Object.fromEntries(Object.keys(members).map((name) => [name, name])),
    (name) => members[name] ?? null,
  );
}
