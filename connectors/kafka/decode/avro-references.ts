type Named = Readonly<Record<string, unknown>> & { readonly name: string };

const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']);
const isNamed = (type: object): type is Named =>
  'name' in type &&
  typeof type.name === 'string' &&
  'type' in type &&
  ['record', 'error', 'enum', 'fixed'].includes(String(type.type));

/**
 * A schema with the types it takes from other registered schemas written into it, each where it is named first. All names become full names,
 * so that it does not matter whose namespace they stood in.
 */
export function withReferences(schema: unknown, references: readonly unknown[]): unknown {
  if (references.length === 0) return schema;
  const known = new Map<string, { readonly definition: Named; readonly namespace: string }>();
  for (const reference of references) collect(reference, '', known);
  const written = new Set<string>();

  const write = (type: unknown, namespace: string): unknown => {
    if (typeof type === 'string') return named(type, namespace);
    if (Array.isArray(type)) return type.map((branch) => write(branch, namespace));
    if (typeof type !== 'object' || type === null) return type;
    if (isNamed(type)) return define(type, namespace);
    return parts(type as Readonly<Record<string, unknown>>, namespace);
  };
  const named = (name: string, namespace: string): unknown => {
    if (PRIMITIVES.has(name)) return name;
    const full = [fullName(name, namespace), name].find((one) => written.has(one) || known.has(one)) ?? name;
    const found = known.get(full);
    return written.has(full) || found === undefined ? full : define(found.definition, found.namespace);
  };
  const define = (definition: Named, outer: string): unknown => {
    const { full, inner } = nameOf(definition, outer);
    written.add(full);
    return { ...parts(definition, inner), name: full, namespace: inner };
  };
  const parts = (type: Readonly<Record<string, unknown>>, namespace: string): Record<string, unknown> => {
    const copy: Record<string, unknown> = { ...type };
    const isContainer = type['type'] !== null && typeof type['type'] === 'object';
    if (isContainer || (typeof type['type'] === 'string' && !isKeyword(type['type'])))
      copy['type'] = write(type['type'], namespace);
    for (const part of ['items', 'values']) if (part in copy) copy[part] = write(copy[part], namespace);
    const { fields } = copy;
    if (Array.isArray(fields)) {
      copy['fields'] = fields.map((field: Readonly<Record<string, unknown>>) => ({
        ...field,
        type: write(field['type'], namespace),
      }));
    }
    return copy;
  };
  return write(schema, '');
}

const isKeyword = (type: string): boolean =>
  PRIMITIVES.has(type) || ['record', 'error', 'enum', 'fixed', 'array', 'map'].includes(type);

const fullName = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;

function nameOf({ name, namespace }: Named, outer: string): { readonly full: string; readonly inner: string } {
  const full = fullName(name, typeof namespace === 'string' ? namespace : outer);
  return { full, inner: full.includes('.') ? full.slice(0, full.lastIndexOf('.')) : '' };
}

function collect(type: unknown, namespace: string, known: Map<string, { definition: Named; namespace: string }>): void {
  if (Array.isArray(type)) for (const branch of type) collect(branch, namespace, known);
  if (typeof type !== 'object' || type === null || Array.isArray(type)) return;
  const named = isNamed(type) ? nameOf(type, namespace) : undefined;
  if (named !== undefined && isNamed(type)) known.set(named.full, { definition: type, namespace });
  const inner = named?.inner ?? namespace;
  const { type: wrapped, items, values, fields } = type as Readonly<Record<string, unknown>>;
  for (const part of [wrapped, items, values]) collect(part, inner, known);
  if (Array.isArray(fields)) for (const field of fields) collect((field as { type?: unknown }).type, inner, known);
}
