import type { Clock } from '../../src/ports/clock.ts';
import { GONE, type Ledger } from './ledger.ts';
import type { PathRules } from './paths.ts';
import type { Outside } from './read-text.ts';
import type { Troubles } from './report.ts';
import { walk } from './walk.ts';

const differs = (a: Outside, b: Outside): boolean =>
  a.size !== b.size || a.mtimeMs !== b.mtimeMs || a.ctimeMs !== b.ctimeMs;

export interface DifferencesDeps {
  readonly rules: PathRules;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly troubles: Troubles;
  readonly settleMs: number;
}

/**
 * Paths whose files look other than they did when they were last delivered, or are gone, each with how long it should rest before it is
 * read. Undefined when the root could not be listed; what is below another such folder is unknown, not gone.
 */
export async function findDifferences(
  root: string,
  deps: DifferencesDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number> | undefined> {
  const { rules, ledger, clock, troubles, settleMs } = deps;
  const found = new Map<string, number>();
  const present = new Set<string>();
  const unknown: string[] = [];
  for await (const { path, outside } of walk(root, rules, signal, (folder) => unknown.push(folder))) {
    present.add(path);
    const known = ledger.get(path);
    if (known !== undefined && known.hash !== GONE && !differs(known, outside)) continue;
    const age = clock.now() - Math.max(outside.mtimeMs, outside.ctimeMs);
    found.set(path, age >= 0 && age < settleMs ? settleMs : 0);
  }
  if (unknown.includes('') || signal.aborted) return undefined;
  report(troubles, unknown.length);
  for (const [path, seen] of ledger.entries()) {
    if (seen.hash === GONE || present.has(path)) continue;
    if (!unknown.some((folder) => path.startsWith(`${folder}/`))) found.set(path, 0);
  }
  return found;
}

function report(troubles: Troubles, folders: number): void {
  const code = 'FILES_FOLDER_UNREADABLE';
  if (folders === 0) return troubles.ended(code, 'Every folder can be listed again.');
  troubles.began(
    'warn',
    code,
    `${folders} folders cannot be listed; what is known of their files is kept. Grant the right to read them.`,
  );
}
