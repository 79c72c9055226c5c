import type { ColumnContract, TableContract } from '../domain/contract.ts';
import { tableId, tenantId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import type { MetadataCondition, MetadataFilter } from '../domain/search.ts';
import type { ContractConfig } from './schema-contract.ts';
import type { FilesSourceConfig } from './schema-sources.ts';
import { qualifiedTable } from './schema-table-list.ts';
import type { RowFilter, TableConfig } from './schema-tables.ts';
import { templateOfColumns } from './template.ts';

/** One table of the configuration as the domain's mapping. Pure: equal settings give equal mappings, and so equal fingerprints. */
export function toTableMapping(source: string, name: string, table: TableConfig): TableMapping {
  const { key, text, title, uri, tenant, access, metadata, format, columns, filter, contract } = table;
  return {
    table: tableId(`${source}.${qualifiedTable(name)}`),
    ...(key === undefined ? {} : { key }),
    text: typeof text === 'string' ? text : templateOfColumns(text),
    ...(title === undefined ? {} : { title }),
    ...(uri === undefined ? {} : { uri }),
    tenant: 'column' in tenant ? tenant : { value: tenantId(tenant.value) },
    ...(access === undefined ? {} : { access }),
    metadata: Array.isArray(metadata) ? Object.fromEntries(metadata.map((column) => [column, column])) : metadata,
    format,
    columns,
    ...(filter === undefined ? {} : { filter: toFilter(filter) }),
    ...(contract === undefined ? {} : { contract: toContract(contract) }),
  };
}

/** The one table of a files source, `<source>.files`: its columns are path, title, text, format, modifiedAt, uri and access. */
export function toFilesMapping(source: string, config: FilesSourceConfig): TableMapping {
  return {
    table: tableId(`${source}.files`),
    text: '{text}',
    title: '{title}',
    uri: '{uri}',
    tenant: { value: tenantId(config.tenant.value) },
    access: { column: 'access' },
    metadata: { path: 'path', modifiedAt: 'modifiedAt' },
    format: { column: 'format' },
    columns: {},
  };
}

export function toTableMappings(
  source: string,
  tables: Readonly<Record<string, TableConfig>>,
): readonly TableMapping[] {
  return Object.entries(tables).map(([name, table]) => toTableMapping(source, name, table));
}

function toContract({ columns, additional }: ContractConfig): TableContract {
  const entries = Object.entries(columns).map(([name, column]): [string, ColumnContract] => [
    name,
    typeof column === 'string' ? { type: column } : column,
  ]);
  return { columns: Object.fromEntries(entries), additional };
}

function toFilter(filter: RowFilter): MetadataFilter {
  if ('and' in filter) return { and: filter.and.map(toFilter) };
  if ('or' in filter) return { or: filter.or.map(toFilter) };
  // The schema has checked that the value's shape fits the operator, which the type cannot express.
  return { key: filter.column, op: filter.op, value: filter.value } as MetadataCondition;
}
