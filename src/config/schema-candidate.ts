import { z } from 'zod';
import { section } from './fields.ts';

/** The sections of the configuration that shape what an index holds, as far as they are given: the rest is as in the main ones. */
export interface CandidateOverrides<Embedder, Chunker, Redaction extends { readonly recognisers: unknown }> {
  readonly embedder?: Partial<Embedder>;
  readonly chunker?: Partial<Chunker>;
  readonly redaction?: Partial<Omit<Redaction, 'recognisers'>> & {
    readonly recognisers?: Partial<Redaction['recognisers']>;
  };
}

/** `candidate:` from the main sections: the same keys, none of them required, and no defaults. */
export function candidateSection<E extends z.ZodObject, C extends z.ZodObject, R extends z.ZodObject>(main: {
  readonly embedder: E;
  readonly chunker: C;
  readonly redaction: R;
}): z.ZodType<CandidateOverrides<z.output<E>, z.output<C>, z.output<R> & { readonly recognisers: unknown }>> {
  const shape = Object.fromEntries(
    Object.entries(main).map(([name, part]) => [name, withoutDefaults(part).exactOptional()]),
  );
  const made = section(
    'Settings of a second index, which is built beside the live one, compared with it and switched to (`freshet index`). What is not given ' +
      'here is as in the main settings.',
    shape,
  ).refine(
    (value) => Object.keys(value).length > 0,
    'gives no setting. Give what is to differ, e.g. `chunker: { maxTokens: 300 }`.',
  );
  return made as unknown as z.ZodType<
    CandidateOverrides<z.output<E>, z.output<C>, z.output<R> & { readonly recognisers: unknown }>
  >;
}

function withoutDefaults(part: z.ZodObject): z.ZodObject {
  const shape = Object.fromEntries(Object.entries(part.shape).map(([name, field]) => [name, asOptional(field)]));
  return section(part.description ?? '', shape);
}

function asOptional(field: z.core.$ZodType): z.ZodType {
  if (field instanceof z.ZodExactOptional) return field;
  const bare =
    field instanceof z.ZodDefault || field instanceof z.ZodPrefault
      ? (field.unwrap() as z.ZodType)
      : (field as z.ZodType);
  const inner = bare instanceof z.ZodObject ? withoutDefaults(bare) : bare;
  // A description may stand on the default, not on what it is the default of.
  const { description } = field as z.ZodType;
  return (description === undefined ? inner : inner.meta({ ...inner.meta(), description })).exactOptional();
}
