import { z } from 'zod';
import { BYTES_PATTERN, DURATION_PATTERN, parseBytes, parseDuration } from './units.ts';

// The building blocks of the schema. Numbers and booleans are also taken from text, because environment variables and `${ENV}` references
// can hold nothing else; whatever does not parse is left as it is, so that the schema's own error names what was found.

// Editors check the file before `${ENV}` references are replaced, so those must pass there.
const REFERENCE = String.raw`\$\{`;
const orReference = (pattern: string) => `${pattern}|${REFERENCE}`;

const NUMBER = /^[+-]?\d+(\.\d+)?$/;

const numberFromText = (value: unknown): unknown =>
  typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : value;

const booleanFromText = (value: unknown): unknown => (value === 'true' ? true : value === 'false' ? false : value);

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

const whole = ({ min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds): z.ZodInt => z.int().min(min).max(max);

export const integer = (description: string, bounds: Bounds = {}) =>
  z.preprocess(
    numberFromText,
    whole(bounds).meta({ description, type: ['integer', 'string'], pattern: orReference(String.raw`^\d+$`) }),
  );

export const flag = (description: string) =>
  z.preprocess(
    booleanFromText,
    z.boolean().meta({ description, type: ['boolean', 'string'], pattern: orReference('^(true|false)$') }),
  );

export const text = (description: string) => z.string().min(1).meta({ description });

/** A file or folder: relative to the configuration file when it stands there (load.ts makes it absolute). */
export const path = (description: string) => z.string().min(1).meta({ description, isPath: true });

/** A PEM text, or the path of a file that holds one. */
export const pem = (description: string) => path(`${description} A path, or the PEM text itself.`);

export const isPemText = (value: string): boolean => value.trimStart().startsWith('-----BEGIN ');

/** Never printed: `writeOnly` is JSON Schema's word for it, and what {@link import('./secrets.ts').maskSecrets} looks for. */
export const secret = (description: string) => z.string().min(1).meta({ description, writeOnly: true });

/** Milliseconds after parsing; written as `30s`, `5m`, `500ms` or a bare number of milliseconds. */
export const duration = (description: string, bounds: Bounds = {}) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? (parseDuration(value) ?? value) : value),
    whole(bounds).meta({
      description,
      type: ['integer', 'string'],
      pattern: orReference(DURATION_PATTERN),
      unit: 'duration',
    }),
  );

/** Bytes after parsing; written as `10MB`, `512KiB` or a bare number of bytes. */
export const bytes = (description: string, bounds: Bounds = {}) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? (parseBytes(value) ?? value) : value),
    whole(bounds).meta({
      description,
      type: ['integer', 'string'],
      pattern: orReference(BYTES_PATTERN),
      unit: 'bytes',
    }),
  );

/** An object in which every unknown key is an error. */
export const section = <Shape extends z.ZodRawShape>(description: string, shape: Shape) =>
  z.strictObject(shape).meta({ description });

export const listOf = (description: string) => z.array(z.string().min(1)).meta({ description });

/** A list, or one text with commas between: what a `${ENV}` reference can hold. */
export const commaListOf = <Item extends z.ZodType<string>>(description: string, item: Item) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((each) => each.trim()) : value),
    z
      .array(item)
      .min(1)
      .meta({ description, type: ['array', 'string'] }),
  );

export const postgresUrl = (description: string) =>
  z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must be a URL such as postgres://user:password@host:5432/database.')
    .meta({ description, writeOnly: true });

const URL_PATTERN = /^https?:\/\/\S+$/;

export const httpUrl = (description: string) =>
  z.string().regex(URL_PATTERN, 'must be a URL such as https://host:port.').meta({ description });
