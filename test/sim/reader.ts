import { tenantId } from '../../src/domain/ids.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import type { Redacted } from '../../src/domain/document.ts';
import type { Index } from '../../src/ports/index-store.ts';
import type { History, Key, RowVersion } from './history.ts';
import { splitText, textOf, type Tenant } from './rows.ts';
import type { Truth } from './truth.ts';
import { Violation } from './world.ts';

export function everything(tenant: Tenant): SearchQuery {
  const vector = new Float32Array([1]);
  return { text: '' as Redacted<string>, vector, limit: 1_000, tenant: tenantId(tenant), mode: 'dense', now: 0 };
}

/** What readers may see (invariants 3 and 4), checked on a search that runs while everything else does. */
export async function checkedRead(index: Index, tenant: Tenant, history: History, truth: Truth): Promise<void> {
  const lows = history.keys.map((key) => truth.low(key));
  const hidden = history.keys.map((key) => truth.isHidden(key));
  const hits = await index.search(everything(tenant), new AbortController().signal);
  for (const key of history.keys) {
    const low = lows[key.number] ?? 0;
    const versions = (history.versions[key.number] ?? []).slice(low, truth.high(key) + 1);
    const shown = hits.filter((hit) => hit.document === key.document);
    neverOlder(key, shown, versions, tenant);
    if (low > 0 && hidden[key.number] === false && !truth.isHidden(key)) neverAHole(key, shown, versions, tenant);
  }
}

const isSeenBy = ({ row }: RowVersion, tenant: Tenant): boolean => row?.published === true && row.tenant === tenant;

const range = (versions: readonly RowVersion[]): string => `${versions[0]?.seq}…${versions.at(-1)?.seq}`;

/** Invariant 3: every chunk is one of a version between the newest that was durable before the read and the newest begun after it. */
function neverOlder(key: Key, shown: readonly SearchHit[], versions: readonly RowVersion[], tenant: Tenant): void {
  for (const hit of shown) {
    const isOf = ({ row }: RowVersion): boolean => row !== undefined && chunkTexts(textOf(row)).has(hit.text);
    if (versions.some((version) => isSeenBy(version, tenant) && isOf(version))) continue;
    throw new Violation(
      '3',
      `a reader of tenant ${tenant} saw "${hit.text}" (${hit.version}) of row ${key.number}, in none of its versions ${range(versions)}`,
    );
  }
}

/** Invariant 4: a word all those versions have is there, and so is one version as a whole. */
function neverAHole(key: Key, shown: readonly SearchHit[], versions: readonly RowVersion[], tenant: Tenant): void {
  if (!versions.every((version) => isSeenBy(version, tenant))) return;
  const words = new Set(shown.flatMap((hit) => hit.text.split(' ')));
  const [first, ...rest] = versions.map(({ row }) => row?.words ?? []);
  const missing = first?.find((word) => rest.every((other) => other.includes(word)) && !words.has(word));
  if (missing !== undefined) {
    throw new Violation('4', `"${missing}" is in all versions ${range(versions)} of row ${key.number} and was missing`);
  }
  if (!versions.some(({ row }) => row?.words.every((word) => words.has(word)))) {
    throw new Violation('4', `none of the versions ${range(versions)} of row ${key.number} was there as a whole`);
  }
}

/** Whatever the chunker's settings. */
function chunkTexts(text: string): ReadonlySet<string> {
  return new Set([1, 2].flatMap((words) => splitText(text, words).map((chunk) => chunk.text as string)));
}
