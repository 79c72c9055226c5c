import { z } from 'zod';
import { COLUMN_TYPES, parseColumnType } from './column-types.ts';
import { listOf, section, text } from './fields.ts';
import { contract } from './schema-contract.ts';
import { didYouMean } from './suggest.ts';
import { parseTemplate } from './template.ts';

/** The rules of a template that can be checked without the database: balanced braces, and at least one column in it. */
function checkTemplate(template: string, context: z.RefinementCtx): void {
  const parsed = parseTemplate(template);
  if (!parsed.ok) {
    context.addIssue({ code: 'custom', message: `is not a template: ${parsed.problem}.` });
  } else if (parsed.columns.length === 0) {
    const mend = /^\w+$/.test(template) ? `"{${template}}"` : 'a template such as "{title}"';
    context.addIssue({
      code: 'custom',
      message: `names no column, so every row would get the same text. Write ${mend}.`,
    });
  }
}

const template = (description: string) => z.string().min(1).superRefine(checkTemplate).meta({ description });

const columnReference = (description: string) => section(description, { column: text('Name of the column.') });

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const comparison = section('One condition on a column of the row.', {
  column: text('Name of the column.'),
  op: z
    .enum(['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin'])
    .default('eq')
    .meta({ description: 'How the column is compared: `in` and `nin` take a list, all others one value.' }),
  value: z.union([scalar, z.array(scalar).min(1)]).meta({ description: 'What the column is compared with.' }),
}).superRefine((filter, context) => {
  const wantsList = filter.op === 'in' || filter.op === 'nin';
  const ordered = filter.op === 'gt' || filter.op === 'gte' || filter.op === 'lt' || filter.op === 'lte';
  if (wantsList && !Array.isArray(filter.value)) {
    context.addIssue({ code: 'custom', path: ['value'], message: `must be a list for "${filter.op}", e.g. [de, fr].` });
  } else if (!wantsList && Array.isArray(filter.value)) {
    context.addIssue({
      code: 'custom',
      path: ['value'],
      message: `must be one value for "${filter.op}"; for a list use "in".`,
    });
  } else if (ordered && typeof filter.value === 'boolean') {
    context.addIssue({ code: 'custom', path: ['value'], message: `must be a number or text for "${filter.op}".` });
  }
});

export type RowFilter = z.output<typeof comparison> | { and: RowFilter[] } | { or: RowFilter[] };

const allOf: z.ZodType<{ and: RowFilter[] }> = z.strictObject({
  get and() {
    return z.array(rowFilter).min(1).meta({ description: 'All of these must hold.' });
  },
});

const anyOf: z.ZodType<{ or: RowFilter[] }> = z.strictObject({
  get or() {
    return z.array(rowFilter).min(1).meta({ description: 'One of these must hold.' });
  },
});

const rowFilter: z.ZodType<RowFilter> = z.union([comparison, allOf, anyOf]).meta({
  id: 'RowFilter',
  description:
    'Only rows that pass are indexed; a row that stops passing is deleted from the index. Conditions nest with `and` and `or`.',
});

export const textFormat = z.enum(['markdown', 'html', 'plain']);

/** Tenant and access rules shared by every kind of source. */
export const tenantRule = z
  .union([
    columnReference('The tenant is read from a column.'),
    section('Every row belongs to this tenant.', { value: text('The tenant.') }),
  ])
  .meta({
    description: 'Whose document it is: no search crosses tenants. `{ column: tenant_id }` or `{ value: acme }`.',
  });

export const columnPolicy = z.enum(['scan', 'drop', 'hash', 'mask']).meta({
  description:
    '`scan` for personal data (the default), `drop` the value, `hash` it with a key, or `mask` all but its shape.',
});

/** One table: how a row becomes a document. */
const shape = {
  key: listOf('Key columns, in order. Default: the primary key (replica identity).').min(1).exactOptional(),
  text: z
    .union([template('Template'), z.array(z.string().regex(/^[^{}]+$/, 'is a column name, without braces.')).min(1)])
    .meta({
      description:
        'The text to index: a template such as `"{title}: {body}"`, or a list of columns joined by blank lines.',
    }),
  title: template('Template of the title.').exactOptional(),
  uri: template('Template of the address shown with a hit, e.g. `"kb://{slug}"`.').exactOptional(),
  tenant: tenantRule.default({ value: 'default' }),
  access: columnReference(
    'The column that lists who may see the row: `text[]`, a JSON array, or comma-separated text. Empty means everyone of the tenant.',
  ).exactOptional(),
  metadata: z
    .union([z.record(z.string().min(1), z.string().min(1)), z.array(z.string().min(1))])
    .default({})
    .meta({
      description: 'Fields to filter a search by: `field: column` pairs, or a list of columns that keep their names.',
    }),
  format: z
    .union([textFormat, columnReference('The format is read from a column.')])
    .default('markdown')
    .meta({ description: 'What the text is: `markdown`, `html`, `plain`, or `{ column: format }`.' }),
  columns: z.record(z.string().min(1), columnPolicy).default({}).meta({
    description:
      'What to do with a column’s value before anything is made of it: `email: drop`, `author: hash`, `notes: mask`.',
  }),
  filter: rowFilter.exactOptional(),
  contract: contract.exactOptional(),
} as const;

interface Mapped {
  readonly text: string | readonly string[];
  readonly title?: string;
  readonly uri?: string;
  readonly metadata: Readonly<Record<string, string>> | readonly string[];
  readonly columns: Readonly<Record<string, z.output<typeof columnPolicy>>>;
}

/** A column that is dropped cannot be part of the document. */
function checkDropped(table: Mapped, context: z.RefinementCtx): void {
  const used = new Map<string, string>();
  const use = (value: string | readonly string[] | undefined, where: string): void => {
    if (value === undefined) return;
    const parsed = typeof value === 'string' ? parseTemplate(value) : undefined;
    for (const column of parsed === undefined ? (value as readonly string[]) : parsed.ok ? parsed.columns : []) {
      used.set(column, where);
    }
  };
  use(table.text, 'text');
  use(table.title, 'title');
  use(table.uri, 'uri');
  use(Array.isArray(table.metadata) ? table.metadata : Object.values(table.metadata), 'metadata');
  for (const [column, policy] of Object.entries(table.columns)) {
    const where = used.get(column);
    if (where !== undefined && policy === 'drop') {
      const message = `is "drop", but "${where}" uses the column. Take it out of "${where}", or use "mask" or "hash".`;
      context.addIssue({ code: 'custom', path: ['columns', column], message });
    }
  }
}

export const tableSchema = section('How rows of one table become documents.', shape).superRefine(checkDropped);

const columnType = z.string().superRefine((value, context) => {
  if (parseColumnType(value) !== undefined) return;
  const known = `There is: ${COLUMN_TYPES.join(', ')}, and decimal(precision,scale).`;
  context.addIssue({ code: 'custom', message: `is no type of a column.${didYouMean(value, COLUMN_TYPES)} ${known}` });
});

/** A table whose rows come as Debezium's records. */
export const kafkaTableSchema = section('How rows of one table become documents.', {
  ...shape,
  topic: text('The table’s topic, where it is not `<topicPrefix>.<schema.table>`.').exactOptional(),
  types: z.record(z.string().min(1), columnType).default({}).meta({
    description:
      'Types of columns that plain JSON (without schema) does not tell: `price: decimal(10,2)`, `edited_at: timestamp`.',
  }),
}).superRefine(checkDropped);

export type KafkaTableConfig = z.output<typeof kafkaTableSchema>;
export type TableConfig = z.output<typeof tableSchema>;
