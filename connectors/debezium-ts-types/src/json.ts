import { isUtf8 } from 'node:buffer';
import { DebeziumDecodeError } from './errors.ts';
import { ExactNumber, exactNumber } from './exact-number.ts';
import { setField } from './objects.ts';
import type { ColumnValue } from './values.ts';

export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** Deeper than any record or json column that was meant to be read, and far from the end of the stack. */
const DEPTH_MAX = 256;

// The text under the cursor. Parsing is synchronous and never calls out, so one set of variables serves all callers, and V8 keeps them in
// registers: twice as fast as a cursor object.
let text = '';
let at = 0;
let where = '';
let exactAsText = false;

/**
 * JSON without loss: integers beyond 2^53 become bigint, decimals that a double does not hold become `ExactNumber`; everything else is as
 * JSON.parse gives it: of equal keys the last one counts, `__proto__` is a key like any other. A byte order mark is skipped.
 * @throws {DebeziumDecodeError} INVALID_JSON, INVALID_UTF8, TOO_DEEP
 */
export function parseJson(input: string | Uint8Array, path = ''): JsonValue {
  begin(typeof input === 'string' ? input : decodeUtf8(input, path), path);
  const value = parseValue(0);
  end();
  return value;
}

/** The document in a json column: like `parseJson`, but numbers that no JavaScript number holds are their own text. */
export function parseJsonColumn(input: string, path: string): ColumnValue {
  exactAsText = true;
  try {
    return parseJson(input, path) as ColumnValue;
  } finally {
    exactAsText = false;
  }
}

/**
 * The rest of a JSON text from `start` on, with `closing` after it: `{"schema":…,"payload":` has been read before, the payload and `}` follow.
 */
export function parseJsonFrom(input: string, start: number, closing: string, path: string): JsonValue {
  begin(input, path);
  at = start;
  const value = parseValue(0);
  for (const char of closing) {
    skipSpace();
    if (text[at] !== char) throw invalid('unexpected character');
    at += 1;
  }
  end();
  return value;
}

/** Where the value behind `"payload":` begins, if the text starts exactly as Connect's JsonConverter writes schema and payload. */
export function payloadStart(input: string): number | undefined {
  const opening = '{"schema":';
  const between = ',"payload":';
  if (!input.startsWith(opening)) return undefined;
  begin(input, '');
  at = opening.length;
  parseValue(1);
  return text.startsWith(between, at) ? at + between.length : undefined;
}

/** @throws {DebeziumDecodeError} INVALID_UTF8: replacement characters would be a silent change of the text. */
export function decodeUtf8(bytes: Uint8Array, path: string): string {
  if (!isUtf8(bytes)) throw new DebeziumDecodeError('INVALID_UTF8', path, 'The bytes are not valid UTF-8.');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function begin(input: string, path: string): void {
  text = input;
  where = path;
  at = input.charCodeAt(0) === 0xfeff ? 1 : 0;
}

function end(): void {
  skipSpace();
  if (at !== text.length) throw invalid('unexpected text after the value');
  text = '';
}

function invalid(reason: string): DebeziumDecodeError {
  return new DebeziumDecodeError('INVALID_JSON', where, `Not valid JSON: ${reason} at character ${at}.`);
}

function skipSpace(): void {
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    at += 1;
  }
}

function parseValue(depth: number): JsonValue {
  skipSpace();
  switch (text.charCodeAt(at)) {
    case 0x22:
      return parseString();
    case 0x7b:
      return parseObject(depth + 1);
    case 0x5b:
      return parseArray(depth + 1);
    case 0x74:
      return parseWord('true', true);
    case 0x66:
      return parseWord('false', false);
    case 0x6e:
      return parseWord('null', null);
    default:
      return parseNumber();
  }
}

function parseWord<T>(word: string, value: T): T {
  if (!text.startsWith(word, at)) throw invalid('unexpected character');
  at += word.length;
  return value;
}

function parseObject(depth: number): JsonValue {
  checkDepth(depth);
  const object: Record<string, JsonValue> = {};
  at += 1;
  skipSpace();
  if (text.charCodeAt(at) === 0x7d) {
    at += 1;
    return object;
  }
  for (;;) {
    skipSpace();
    if (text.charCodeAt(at) !== 0x22) throw invalid('a key was expected');
    const name = parseString();
    skipSpace();
    if (text.charCodeAt(at) !== 0x3a) throw invalid('":" was expected');
    at += 1;
    const value = parseValue(depth);
    if (name === '__proto__') setField(object, name, value);
    else object[name] = value;
    skipSpace();
    const code = text.charCodeAt(at);
    if (code !== 0x2c && code !== 0x7d) throw invalid('"," or "}" was expected');
    at += 1;
    if (code === 0x7d) return object;
  }
}

function parseArray(depth: number): JsonValue {
  checkDepth(depth);
  const array: JsonValue[] = [];
  at += 1;
  skipSpace();
  if (text.charCodeAt(at) === 0x5d) {
    at += 1;
    return array;
  }
  for (;;) {
    array.push(parseValue(depth));
    skipSpace();
    const code = text.charCodeAt(at);
    if (code !== 0x2c && code !== 0x5d) throw invalid('"," or "]" was expected');
    at += 1;
    if (code === 0x5d) return array;
  }
}

function checkDepth(depth: number): void {
  if (depth > DEPTH_MAX) throw new DebeziumDecodeError('TOO_DEEP', where, `Nested deeper than ${DEPTH_MAX} levels.`);
}

function parseString(): string {
  const start = at + 1;
  for (let i = start; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      at = i + 1;
      return text.slice(start, i);
    }
    if (code === 0x5c) return parseEscapedString(i);
    if (code < 0x20) {
      at = i;
      throw invalid('control character in a string');
    }
  }
  throw invalid('unterminated string');
}

/** The string with its escapes, which the engine's own parser knows best; its first backslash is at `escape`. */
function parseEscapedString(escape: number): string {
  const start = at;
  let i = escape;
  for (;;) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) i += 2;
    else if (code === 0x22) break;
    else if (i >= text.length) throw invalid('unterminated string');
    else i += 1;
  }
  try {
    const value = JSON.parse(text.slice(start, i + 1)) as string;
    at = i + 1;
    return value;
  } catch {
    throw invalid('bad escape or control character in a string');
  }
}

/** Digits without sign that always fit a double's 53 bits. */
const SAFE_DIGITS = 15;

function parseNumber(): number | bigint | ExactNumber | string {
  const start = at;
  const negative = text.charCodeAt(at) === 0x2d;
  if (negative) at += 1;
  const first = at;
  let small = 0;
  let code = text.charCodeAt(at);
  while (code >= 0x30 && code <= 0x39) {
    small = small * 10 + (code - 0x30);
    at += 1;
    code = text.charCodeAt(at);
  }
  const digits = at - first;
  if (digits === 0) throw invalid('unexpected character');
  if (digits > 1 && text.charCodeAt(first) === 0x30) throw invalid('a number with a leading zero');
  if (code !== 0x2e && code !== 0x65 && code !== 0x45) {
    if (digits <= SAFE_DIGITS) return negative ? -small : small;
    return exactNumber(text.slice(start, at), where);
  }
  const fraction = parseFraction();
  const hasExponent = parseExponent();
  const number = text.slice(start, at);
  if (!hasExponent && digits + fraction <= SAFE_DIGITS) return Number(number);
  const exact = exactNumber(number, where);
  return exactAsText && exact instanceof ExactNumber ? exact.text : exact;
}

function parseFraction(): number {
  if (text.charCodeAt(at) !== 0x2e) return 0;
  at += 1;
  return parseDigits();
}

function parseExponent(): boolean {
  const code = text.charCodeAt(at);
  if (code !== 0x65 && code !== 0x45) return false;
  at += 1;
  const sign = text.charCodeAt(at);
  if (sign === 0x2b || sign === 0x2d) at += 1;
  parseDigits();
  return true;
}

function parseDigits(): number {
  const start = at;
  for (let code = text.charCodeAt(at); code >= 0x30 && code <= 0x39; code = text.charCodeAt(at)) at += 1;
  if (at === start) throw invalid('a digit was expected');
  return at - start;
}
