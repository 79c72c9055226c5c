import { SHORT_HANDLES, variableName } from './environment.ts';
import { configJsonSchema, type JsonSchema } from './json-schema.ts';
import { formatBytes, formatDuration } from './units.ts';

interface Group {
  readonly title: string;
  readonly description: string;
  readonly fields: readonly {
    readonly name: string;
    readonly type: string;
    readonly fallback: string;
    readonly what: string;
  }[];
}

/** The reference part of docs/configuration.md, as Markdown made from the schema. */
export function configurationReference(): string {
  const root = configJsonSchema();
  const groups: Group[] = [];
  collect('', root, root, groups);
  const seen = new Set<string>();
  return groups
    .filter((group) => !seen.has(group.title) && seen.add(group.title))
    .map((group) =>
      [
        `### ${group.title === '' ? 'Top level' : `\`${group.title}\``}`,
        '',
        ...(group.description === '' ? [] : [group.description, '']),
        '| key | value | default | what it is |',
        '| --- | --- | --- | --- |',
        ...group.fields.map((field) => `| \`${field.name}\` | ${field.type} | ${field.fallback} | ${field.what} |`),
      ].join('\n'),
    )
    .join('\n\n');
}

/** The short environment handles, as a Markdown table. */
export function handlesReference(): string {
  const rows = Object.entries(SHORT_HANDLES).map(([variable, path]) => {
    const long = `FRESHET_${path.map((part) => variableName(String(part))).join('__')}`;
    return `| \`${variable}\` | \`${path.join('.')}\` | ${long === variable ? '' : `\`${long}\``} |`;
  });
  return ['| variable | setting | long form |', '| --- | --- | --- |', ...rows].join('\n');
}

const follow = (schema: JsonSchema, root: JsonSchema): JsonSchema =>
  schema.$ref === undefined ? schema : (root.$defs?.[schema.$ref.replace('#/$defs/', '')] ?? schema);

/** Depth first, so that a section stands right after the one it belongs to. */
function collect(title: string, given: JsonSchema, root: JsonSchema, groups: Group[]): void {
  const schema = follow(given, root);
  // What the types of source share is shown once, so their type is no part of the names below them.
  const base = title.replace(/ \(type: [^)]*\)/, '');
  const join = (name: string): string => (base === '' ? name : `${base}.${name}`);
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties);
    groups.push({
      title,
      description: schema.description ?? '',
      fields: entries.map(([name, member]) =>
        field(name, follow(member, root), schema.required?.includes(name) === true),
      ),
    });
    for (const [name, member] of entries)
      if (!isInline(follow(member, root))) collect(join(name), member, root, groups);
  } else if (typeof schema.additionalProperties === 'object') {
    collect(`${title}.<name>`, schema.additionalProperties, root, groups);
  } else if (schema.items !== undefined) {
    collect(`${title}[]`, schema.items, root, groups);
  } else {
    for (const option of schema.oneOf ?? []) {
      collect(`${title} (type: ${String(option.properties?.type?.const)})`, option, root, groups);
    }
  }
}

/** Small alternatives are described in their own row; only sections and lists of sections get a table. */
const isInline = (schema: JsonSchema): boolean =>
  schema.anyOf !== undefined || (schema.properties !== undefined && Object.keys(schema.properties).join() === 'column');

function field(name: string, schema: JsonSchema, required: boolean): Group['fields'][number] {
  return {
    name,
    type: typeName(schema),
    fallback: required ? '**required**' : fallbackName(schema),
    what: cell(schema.description ?? ''),
  };
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function typeName(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.unit !== undefined) return schema.unit === 'bytes' ? 'size' : 'duration';
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeName))].join(', or ');
  if (schema.$ref !== undefined) return 'condition';
  if (schema.oneOf !== undefined) return 'section';
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  if (type === 'array')
    return schema.items?.type === 'string' && schema.items.enum === undefined ? 'list of texts' : 'list';
  if (type === 'object' && schema.properties !== undefined && Object.keys(schema.properties).length === 1) {
    return `\`{ ${Object.keys(schema.properties)[0]}: … }\``;
  }
  const names: Record<string, string> = {
    string: schema.writeOnly === true ? 'secret text' : 'text',
    integer: 'whole number',
    number: 'number',
    boolean: '`true`, `false`',
    object: schema.properties === undefined ? 'section by name' : 'section',
  };
  return names[type ?? ''] ?? 'any value';
}

function fallbackName(schema: JsonSchema): string {
  const value = schema.default;
  if (value === undefined) return '';
  if (typeof value === 'number' && schema.unit === 'duration') return `\`${formatDuration(value)}\``;
  if (typeof value === 'number' && schema.unit === 'bytes') return `\`${formatBytes(value)}\``;
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
