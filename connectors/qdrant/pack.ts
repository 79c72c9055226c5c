/** Marks text that stands in JSON form. Text that begins with it by itself is put in that form too, so nothing is ambiguous. */
const MARK = '\uffffjson:';

/**
 * Text into a payload and back, unchanged. A payload is UTF-8: the server refuses a request with a lone surrogate in it (pushed documents
 * and files can hold one). Such text is stored as its JSON escape; all other text as it is, readable in the server's own dashboard.
 */
export function packText(text: string): string {
  return text.isWellFormed() && !text.startsWith(MARK) ? text : MARK + JSON.stringify(text);
}

export function unpackText(stored: string): string {
  return stored.startsWith(MARK) ? (JSON.parse(stored.slice(MARK.length)) as string) : stored;
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** {@link packText} for every text and key of a value. */
export function packValue(value: unknown): Json {
  if (typeof value === 'string') return packText(value);
  if (Array.isArray(value)) return value.map(packValue);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [packText(key), packValue(inner)]));
  }
  return value as Json;
}

export function unpackValue(stored: unknown): unknown {
  if (typeof stored === 'string') return unpackText(stored);
  if (Array.isArray(stored)) return stored.map(unpackValue);
  if (stored !== null && typeof stored === 'object') {
    return Object.fromEntries(Object.entries(stored).map(([key, inner]) => [unpackText(key), unpackValue(inner)]));
  }
  return stored;
}
