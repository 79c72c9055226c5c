import type { ColumnValue } from '../../src/domain/change.ts';
import type { TextFormat } from '../../src/domain/document.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Observer } from '../../src/observability/events.ts';

export interface FilesSourceOptions {
  /** The source's name: its one table is `<name>.files`. */
  readonly name: string;
  /** The folder. Relative paths are resolved against the working directory. */
  readonly root: string;
  /** Globs of paths below the root, `/` between segments. Default: Markdown, HTML and text by their extensions. */
  readonly include?: readonly string[];
  /** Globs of files and folders to leave out. Hidden ones and `node_modules` always are. */
  readonly exclude?: readonly string[];
  /** One format for every file. Default: by the extension. */
  readonly format?: TextFormat;
  /** In front of the path in the `uri` column. Default `file:`. */
  readonly uriPrefix?: string;
  /** The same in every row, e.g. an access list. */
  readonly columns?: Readonly<Record<string, ColumnValue>>;
  /**
   * Of the settings the rows are indexed under. When it differs from the one of the last run, every file is delivered again, and what was
   * deleted meanwhile is still found: so the checkpoints must not be thrown away for it.
   */
  readonly settingsFingerprint?: string;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly observer?: Observer;
  /** Larger files are delivered as undecodable. Default 16 MB. */
  readonly maxFileBytes?: number;
  /** A file is read once it has not changed for this long. Default 50. */
  readonly settleMs?: number;
  /** Something may vanish for this long while an editor replaces it. Default 250. */
  readonly deleteSettleMs?: number;
  /** How often the whole folder is compared, because watchers miss things. Default 10,000. */
  readonly rescanMs?: number;
}

export type Settings = Required<
  Omit<FilesSourceOptions, 'format' | 'settingsFingerprint' | 'observer' | 'checkpoints' | 'clock'>
> & {
  readonly format: TextFormat | undefined;
};

const EXTENSIONS: Readonly<Record<string, TextFormat>> = {
  md: 'markdown',
  markdown: 'markdown',
  mdx: 'markdown',
  html: 'html',
  htm: 'html',
  xhtml: 'html',
  txt: 'plain',
  text: 'plain',
};

export function formatOf(path: string): TextFormat {
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(EXTENSIONS, extension) ? (EXTENSIONS[extension] as TextFormat) : 'plain';
}

export function withDefaults(options: FilesSourceOptions): Settings {
  return {
    name: options.name,
    root: options.root,
    include: options.include ?? Object.keys(EXTENSIONS).map((extension) => `**/*.${extension}`),
    exclude: options.exclude ?? [],
    format: options.format,
    columns: options.columns ?? {},
    uriPrefix: options.uriPrefix ?? 'file:',
    maxFileBytes: options.maxFileBytes ?? 16_000_000,
    settleMs: options.settleMs ?? 50,
    deleteSettleMs: options.deleteSettleMs ?? 250,
    rescanMs: options.rescanMs ?? 10_000,
  };
}
