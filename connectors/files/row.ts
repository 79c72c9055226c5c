import type { ColumnValue, Row } from '../../src/domain/change.ts';
import type { TextFormat } from '../../src/domain/document.ts';
import { isoInstant } from '../../src/domain/time.ts';
import { formatOf } from './options.ts';
import { titleOf } from './title.ts';

/** Columns of the virtual table `<name>.files`; its key is `path`. */
export const FILE_COLUMNS = ['path', 'title', 'text', 'format', 'modifiedAt', 'uri'] as const;

export interface RowRules {
  readonly format: TextFormat | undefined;
  readonly uriPrefix: string;
  readonly columns: Readonly<Record<string, ColumnValue>>;
}

/** Paths are relative to the folder: where it lies on this machine is nobody's business, and it may move. */
export function fileRow(path: string, text: string, mtimeMs: number, rules: RowRules): Row {
  const format = rules.format ?? formatOf(path);
  return {
    ...rules.columns,
    path,
    title: titleOf(path, text, format),
    text,
    format,
    modifiedAt: isoInstant(Math.trunc(mtimeMs)),
    uri: rules.uriPrefix + path.split('/').map(encodeURIComponent).join('/'),
  };
}
