import { z } from 'zod';
import type { $ZodType } from 'zod/v4/core';

export type Path = readonly (string | number)[];

/** `sources.app.tables["public.articles"].text[0]`: keys that are no plain names are quoted. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text === '' ? '(the whole file)' : text;
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** The schema inside optional, default and preprocess wrappers. */
export function unwrap(schema: $ZodType): $ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.unwrap());
  }
  if (schema instanceof z.ZodPipe) return unwrap(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  return schema;
}

export interface FieldMeta {
  readonly description?: string;
  readonly writeOnly?: boolean;
  readonly unit?: 'duration' | 'bytes';
  /** A file or folder, or a PEM text in its place. */
  readonly isPath?: boolean;
}

/** What the schema says about itself: the outermost description on the way in. */
export function metaOf(schema: $ZodType): FieldMeta {
  const own = schema instanceof z.ZodType ? (schema.meta() as FieldMeta | undefined) : undefined;
  const inner = unwrap(schema);
  return { ...(inner === schema ? {} : metaOf(inner)), ...own };
}

/** The options of a union that fit a value: the one its discriminator names, else those of the value's own kind. */
export function branches(schema: $ZodType, value: unknown): readonly $ZodType[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const key = inner.def.discriminator;
    const wanted = valueAt(value, [key]);
    const options = inner.options as readonly $ZodType[];
    return options.filter((option) => {
      const tag = unwrap(option) instanceof z.ZodObject ? (unwrap(option) as z.ZodObject).shape[key] : undefined;
      return wanted === undefined || (tag instanceof z.ZodLiteral && tag.values.has(wanted as string));
    });
  }
  if (inner instanceof z.ZodUnion)
    return (inner.options as readonly $ZodType[]).flatMap((option) => branches(option, value));
  return [inner];
}

/** The schemas of one member; several where a union leaves it open. */
export function membersAt(schema: $ZodType, value: unknown, key: string | number): readonly $ZodType[] {
  return branches(schema, value).flatMap((branch) => {
    if (branch instanceof z.ZodObject) {
      const member = (branch.shape as Record<string, $ZodType | undefined>)[key];
      return member === undefined ? [] : [member];
    }
    if (branch instanceof z.ZodRecord) return [branch.valueType as $ZodType];
    if (branch instanceof z.ZodArray) return [branch.element as $ZodType];
    return [];
  });
}

export function schemasAt(root: $ZodType, value: unknown, path: Path): readonly $ZodType[] {
  let at: readonly { readonly schema: $ZodType; readonly value: unknown }[] = [{ schema: root, value }];
  for (const part of path) {
    at = at.flatMap((place) =>
      membersAt(place.schema, place.value, part).map((schema) => ({ schema, value: valueAt(place.value, [part]) })),
    );
  }
  return at.map((place) => place.schema);
}

/** Names an object at this place may have, in the order of the schema. */
export function knownKeys(root: $ZodType, value: unknown, path: Path): readonly string[] {
  const here = valueAt(value, path);
  const keys = schemasAt(root, value, path).flatMap((schema) =>
    branches(schema, here).flatMap((branch) => (branch instanceof z.ZodObject ? Object.keys(branch.shape) : [])),
  );
  return [...new Set(keys)];
}
