import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { TableMapping } from '../domain/mapping.ts';

/** What shapes what is stored, besides the mapping: a change of any makes what is stored another thing. */
export interface SettingsParts {
  readonly redactor: string;
  readonly chunker: string;
  readonly embedder: string;
  /** What else a source puts into its rows. */
  readonly access?: string;
  /** Types of columns that the source's records do not tell. */
  readonly types?: unknown;
  /** The generation at which the table left the configuration last: put back, it is read anew. */
  readonly retired?: number | undefined;
}

/** Of one table: when it differs from the one its snapshot was taken under, the table is read anew. */
export function tableFingerprint(mapping: TableMapping, parts: SettingsParts): string {
  return digest({ mapping, ...parts });
}

/**
 * Of a whole index: when it differs from the last one registered, a new generation begins. Without it, rows that are read anew at the
 * versions they have would be nothing to do.
 * @param shapedBy what else makes other documents of the same records, of the sources that have such settings
 */
export function settingsFingerprint(
  mappings: readonly TableMapping[],
  parts: SettingsParts,
  shapedBy: readonly unknown[] = [],
): string {
  const sorted = [...mappings].sort((a, b) => (a.table < b.table ? -1 : 1));
  return digest({ mappings: sorted, ...parts, ...(shapedBy.length === 0 ? {} : { shapedBy }) });
}

const digest = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32);
