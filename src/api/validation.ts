import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { InvalidRequestError, type FieldProblem } from './problems.ts';

/** Deeper JSON is nobody's request, and would overflow the stack of a recursive schema. */
const DEPTH_MAX = 32;
/** As many as help; a wrong batch of 1,000 documents needs no 1,000 lines. */
const FIELDS_MAX = 20;

const PARTS: Readonly<Record<string, FieldProblem['in']>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'headers',
};

/** Checks a part of a request by its zod schema; what is wrong is told by JSON pointer, without the value that was sent. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const where = PARTS[httpPart ?? 'body'] ?? 'body';
  return (data: unknown) => {
    if (isTooDeep(data)) {
      return {
        error: new InvalidRequestError([{ in: where, pointer: '', detail: `Nested deeper than ${DEPTH_MAX} levels` }]),
      };
    }
    // A request without a body arrives as null; schemas speak of absence.
    const result = schema.safeParse(data ?? undefined);
    if (result.success) return { value: result.data };
    const fields = flatten(result.error.issues).slice(0, FIELDS_MAX);
    return {
      error: new InvalidRequestError(
        fields.map(({ path, message }) => ({ in: where, pointer: pointerOf(path), detail: message })),
      ),
    };
  };
};

interface FlatIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A key that should not be there is pointed at itself, not at its object. */
function flatten(issues: readonly z.core.$ZodIssue[]): FlatIssue[] {
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], message: 'Unknown field' }))
      : [{ path: issue.path, message: issue.message }],
  );
}

/** RFC 6901: `~` and `/` of a member's name are escaped. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function isTooDeep(data: unknown): boolean {
  let level: unknown[] = [data];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEPTH_MAX) return true;
    level = level.flatMap((value) => (value !== null && typeof value === 'object' ? Object.values(value) : []));
  }
  return false;
}
