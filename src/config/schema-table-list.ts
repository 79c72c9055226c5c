import { z } from 'zod';
import { kafkaTableSchema, tableSchema } from './schema-tables.ts';

/** `public` is PostgreSQL's default schema: `articles` is `public.articles`. */
export const qualifiedTable = (name: string): string => (name.includes('.') ? name : `public.${name}`);

const listOfTables = <Table extends typeof tableSchema | typeof kafkaTableSchema>(
  names: { readonly pattern: RegExp; readonly message: string },
  table: Table,
) =>
  z
    .record(z.string().regex(names.pattern, names.message), table)
    .refine(
      (value) => Object.keys(value).length > 0,
      'names no table. Add one, e.g. `public.articles: { text: "{body}" }`.',
    )
    .superRefine((value, context) => {
      const seen = new Set<string>();
      for (const name of Object.keys(value)) {
        const qualified = qualifiedTable(name);
        if (seen.has(qualified)) {
          context.addIssue({
            code: 'custom',
            path: [name],
            message: `is the table ${qualified}, which stands here already. Keep one.`,
          });
        }
        seen.add(qualified);
      }
    });

export const postgresTables = listOfTables(
  {
    pattern: /^[^.\s]+(\.[^.\s]+)?$/,
    message: 'is a table name: `schema.table`, or `table` for the schema public.',
  },
  tableSchema,
).meta({
  description:
    'The tables to index, by `schema.table` (`public` when the schema is left out). A partitioned table is named once.',
});

export const kafkaTables = listOfTables(
  {
    pattern: /^[^.\s]+(\.[^.\s]+){0,2}$/,
    message: 'is a table name as Debezium writes it: `schema.table`, `database.table` or `database.schema.table`.',
  },
  kafkaTableSchema,
).meta({
  description:
    'The tables to index, by the name that Debezium gives them: `schema.table` (PostgreSQL; `public` when the schema is left out), `database.table` (MySQL), `database.schema.table` (SQL Server), `database.collection` (MongoDB).',
});
