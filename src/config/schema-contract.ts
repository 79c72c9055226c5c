import { z } from 'zod';
import { CONTRACT_TYPES } from '../domain/contract.ts';
import { flag, integer, section } from './fields.ts';

const columnType = z.enum(CONTRACT_TYPES);

const column = section('What a column must hold.', {
  type: columnType.meta({ description: 'Type of its values; any where it is left out.' }).exactOptional(),
  nullable: flag('Whether it may be NULL.').default(true),
  maxLength: integer('Most characters of a text.', { min: 1 }).exactOptional(),
  enum: z
    .array(z.union([z.string(), z.number()]))
    .min(1)
    .meta({ description: 'The only texts or numbers allowed.' })
    .exactOptional(),
});

/** What a table's rows must look like; a row that does not becomes a dead letter that names the column. */
export const contract = section(
  'What rows must look like: one that does not becomes a dead letter, which names the column.',
  {
    columns: z
      .record(z.string().min(1), z.union([columnType, column]))
      .meta({ description: 'Expected columns: `id: integer`, or `title: { type: text, nullable: false }`.' }),
    additional: z
      .enum(['allow', 'reject'])
      .default('allow')
      .meta({ description: 'Whether columns that are not named may come too.' }),
  },
);

export type ContractConfig = z.output<typeof contract>;
