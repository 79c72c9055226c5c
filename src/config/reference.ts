import { SHORT_HANDLES, variableName } from './environment.ts';
import { configJsonSchema, type JsonSchema } from './json-schema.ts';
import { formatBytes, formatDuration } from './units.ts';

interface Field {
  readonly name: string;
  readonly type: string;
  readonly fallback: string;
  readonly what: string;
}

interface Group {
  readonly title: string;
  /** The alternative it stands below, e.g. `type: kafka`. */
  readonly alternative: string | undefined;
  readonly description: string;
  readonly fields: readonly Field[];
}

/** The reference part of docs/configuration.md, as Markdown made from the schema. */
export function configurationReference(): string {
  const root = configJsonSchema();
  const groups: Group[] = [];
  collect({ title: '', alternative: undefined }, root, root, groups);
  return groups.flatMap(onlyNew()).map(table).join('\n\n');
}

/** What several alternatives share is shown once: a later one shows what it adds, and one that is the same elsewhere nothing. */
function onlyNew(): (group: Group) => readonly Group[] {
  const shown = new Map<string, Set<string>>();
  const same = new Set<string>();
  return (group) => {
    const known = shown.get(group.title);
    const fields = group.fields.filter(({ name }) => known?.has(name) !== true);
    shown.set(group.title, new Set([...(known ?? []), ...fields.map(({ name }) => name)]));
    const content = JSON.stringify([group.title.split('.').at(-1), fields]);
    if (fields.length === 0 || same.has(content)) return [];
    same.add(content);
    if (known === undefined) return [group];
    const title = group.alternative === undefined ? group.title : `${group.title} (${group.alternative})`;
    return [{ ...group, title, description: 'Besides those above:', fields }];
  };
}

const table = ({ title, description, fields }: Group): string =>
  [
    `### ${title === '' ? 'Top level' : `\`${title}\``}`,
    '',
    ...(description === '' ? [] : [description, '']),
    '| key | value | default | what it is |',
    '| --- | --- | --- | --- |',
    ...fields.map((field) => `| \`${field.name}\` | ${field.type} | ${field.fallback} | ${field.what} |`),
  ].join('\n');

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

type Place = Pick<Group, 'title' | 'alternative'>;

/** Depth first, so that a section stands right after the one it belongs to. */
function collect(place: Place, given: JsonSchema, root: JsonSchema, groups: Group[]): void {
  const schema = follow(given, root);
  // What the alternatives share is shown once, so which it is is no part of the names below them.
  const base = place.title.replace(/ \(\w+: [^)]*\)$/, '');
  const below = (name: string): Place => ({ ...place, title: base === '' ? name : `${base}.${name}` });
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties);
    groups.push({
      ...place,
      description: schema.description ?? '',
      fields: entries.map(([name, member]) =>
        field(name, follow(member, root), schema.required?.includes(name) === true),
      ),
    });
    for (const [name, member] of entries)
      if (member.$ref === undefined && !isInline(member)) collect(below(name), member, root, groups);
  } else if (typeof schema.additionalProperties === 'object') {
    collect({ ...place, title: `${place.title}.<name>` }, schema.additionalProperties, root, groups);
  } else if (schema.items !== undefined) {
    collect({ ...place, title: `${place.title}[]` }, schema.items, root, groups);
  } else if (schema.oneOf !== undefined) {
    for (const option of schema.oneOf) {
      const alternative = discriminatorOf(option);
      collect({ title: `${place.title} (${alternative})`, alternative }, option, root, groups);
    }
  } else {
    for (const option of schema.anyOf ?? []) if (isSection(option)) collect(place, option, root, groups);
  }
}

/** `type: kafka`: the member whose value tells an alternative from the others. */
function discriminatorOf(option: JsonSchema): string {
  const [name, member] = Object.entries(option.properties ?? {}).find(([, each]) => each.const !== undefined) ?? [];
  return `${name}: ${String(member?.const)}`;
}

const isSection = (schema: JsonSchema): boolean => Object.keys(schema.properties ?? {}).length > 1;

/** Small alternatives are described in their own row; only sections and lists of sections get a table. */
const isInline = (schema: JsonSchema): boolean =>
  (schema.anyOf !== undefined && !schema.anyOf.some(isSection)) ||
  (schema.properties !== undefined && Object.keys(schema.properties).join() === 'column');

function field(name: string, schema: JsonSchema, required: boolean): Field {
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
