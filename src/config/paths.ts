import { z } from 'zod';
import type { $ZodType } from 'zod/v4/core';
import { configSchema } from './schema.ts';
import { membersAt, metaOf, type Path } from './schema-walk.ts';

/** A copy of a configuration in which everything that the schema calls a path was replaced. */
export function mapPaths(config: unknown, replace: (value: string, path: Path) => string): unknown {
  return mapMembers(configSchema, config, [], replace);
}

function mapMembers(schema: $ZodType, value: unknown, at: Path, replace: Parameters<typeof mapPaths>[1]): unknown {
  const mapMember = (key: string | number, member: unknown): unknown => {
    const members = membersAt(schema, value, key);
    const path = [...at, key];
    if (typeof member === 'string' && members.some((each) => metaOf(each).isPath === true))
      return replace(member, path);
    const [first, ...others] = members;
    if (first === undefined) return member;
    return mapMembers(others.length === 0 ? first : z.union([first, ...others]), member, path, replace);
  };
  if (Array.isArray(value)) return value.map((member, position) => mapMember(position, member));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapMember(key, member)]));
}
