import { z } from 'zod';
import { flag, section } from './fields.ts';

export const columnType = z.enum([
  'text',
  'integer',
  'number',
  'boolean',
  'date',
  'time',
  'timestamp',
  'uuid',
  'json',
  'bytes',
  'array',
]);

const column = section('What a column must hold.', {
  type: columnType.meta({ description: 'Type of its values.' }).exactOptional(),
  nullable: flag('Whether it may be NULL.').default(true),
});

/** What a table's rows must look like; a row that does not becomes a dead letter that names the column. */
export const contract = section('What rows must look like; one that does not becomes a dead letter.', {
  columns: z
    .record(z.string().min(1), z.union([columnType, column]))
    .meta({ description: 'Expected columns: `id: integer`, or `title: { type: text, nullable: false }`.' }),
  additional: flag('Whether columns that are not named may come too.').default(true),
});

export type ContractConfig = z.output<typeof contract>;
