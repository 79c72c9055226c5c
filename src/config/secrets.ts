import { z } from 'zod';
import { configSchema } from './schema.ts';
import { membersAt, metaOf, valueAt } from './schema-walk.ts';
import type { $ZodType } from 'zod/v4/core';

const MASK = '********';

/** A secret as it may be printed: nothing of it, except that a URL keeps all but its password and query, to be recognised. */
export function maskSecret(value: string): string {
  if (!URL.canParse(value)) return MASK;
  const url = new URL(value);
  if (url.host === '') return MASK;
  const user = url.username === '' ? '' : `${url.username}${url.password === '' ? '' : `:${MASK}`}@`;
  return `${url.protocol}//${user}${url.host}${url.pathname}${url.search === '' ? '' : `?${MASK}`}`;
}

/** The configuration with every secret masked, for printing. What is secret, the schema says (`writeOnly`). */
export function maskSecrets(config: unknown): unknown {
  return mask(configSchema, config);
}

function mask(schema: $ZodType, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item, position) => maskMember(schema, value, position, item));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskMember(schema, value, key, item)]));
  }
  return value;
}

function maskMember(schema: $ZodType, parent: unknown, key: string | number, value: unknown): unknown {
  const members = membersAt(schema, parent, key);
  if (members.some((member) => metaOf(member).writeOnly === true))
    return typeof value === 'string' ? maskSecret(value) : MASK;
  return mask(
    members.length === 1 ? (members[0] as $ZodType) : z.union(members as [$ZodType, ...$ZodType[]]),
    valueAt(parent, [key]),
  );
}

/** Every secret of a configuration, so that a log writer can refuse to print one. */
export function secretValues(config: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  collect(configSchema, config, found);
  return found;
}

function collect(schema: $ZodType, value: unknown, found: Set<string>): void {
  if (value === null || typeof value !== 'object') return;
  for (const [key, item] of Object.entries(value)) {
    for (const member of membersAt(schema, value, Array.isArray(value) ? Number(key) : key)) {
      if (metaOf(member).writeOnly === true && typeof item === 'string') found.add(item);
      else collect(member, item, found);
    }
  }
}
