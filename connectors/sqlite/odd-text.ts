/**
 * Text into a column and back, unchanged. SQLite's TEXT is UTF-8, and libsql reads it as a C string: a NUL would end it and a lone
 * surrogate would become U+FFFD. Such text (pushed documents and files can hold it, PostgreSQL cannot) is stored as a UTF-16 BLOB; the
 * column's own type says which it is.
 */
export function packText(text: string): string | Uint8Array {
  return text.includes('\0') || !text.isWellFormed() ? Buffer.from(text, 'utf16le') : text;
}

export function unpackText(cell: unknown): string {
  if (typeof cell === 'string') return cell;
  if (cell instanceof Uint8Array) return Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength).toString('utf16le');
  throw new TypeError('A text column holds neither text nor bytes.');
}

/** JSON escapes both, so JSON columns need nothing else. */
export const packJson = (value: unknown): string => JSON.stringify(value);
export const unpackJson = <T>(cell: unknown): T => JSON.parse(cell as string) as T;
