import { z } from 'zod';
import { configSchema } from './schema.ts';

/** The parts of JSON Schema (draft 2020-12) that our schema comes out as. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly title?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly writeOnly?: boolean;
  readonly pattern?: string;
  /** Ours, for the reference and for paths; taken out of what editors get. */
  readonly unit?: 'duration' | 'bytes';
  readonly isPath?: boolean;
}

const isEmptyObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

/** The schema of the file as written, before defaults and references. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      // The generator leaves out the default of anything that is also parsed from text.
      if (zodSchema instanceof z.ZodDefault)
        jsonSchema.default = zodSchema.def.defaultValue as typeof jsonSchema.default;
      // Sections default to "all their defaults", which says nothing.
      if (isEmptyObject(jsonSchema.default)) delete jsonSchema.default;
      // Patterns are for the values; a reference stands in for any of them until it is replaced.
      if (jsonSchema.type === 'string' && typeof jsonSchema.pattern === 'string')
        jsonSchema.pattern += String.raw`|\$\{`;
    },
  });
  return { title: 'freshet.yaml', ...(schema as JsonSchema) };
}

/** What schemas/freshet.schema.json holds. */
export function editorSchemaText(): string {
  const text = JSON.stringify(
    configJsonSchema(),
    (key, value: unknown) => (key === 'unit' || key === 'isPath' ? undefined : value),
    2,
  );
  return `${text}\n`;
}
