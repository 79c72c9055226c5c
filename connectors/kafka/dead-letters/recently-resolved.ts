import type { DocumentId } from '../../../src/domain/ids.ts';
import type { Version } from '../../../src/domain/version.ts';

const DOCUMENTS_MAX = 50_000;

/**
 * What was indexed a moment ago, in two generations. A partition may come from an instance whose last letter this one has not read yet: the
 * document is indexed at a higher version first, and the letter it makes void is seen only then.
 */
export class RecentlyResolved {
  #current = new Map<string, Version>();
  #previous = new Map<string, Version>();

  note(source: string, document: DocumentId, version: Version): void {
    const key = keyOf(source, document);
    this.#current.set(key, Math.max(version, this.#current.get(key) ?? 0) as Version);
    if (this.#current.size >= DOCUMENTS_MAX) this.age();
  }

  versionOf(source: string, document: DocumentId): Version | undefined {
    const key = keyOf(source, document);
    return this.#current.get(key) ?? this.#previous.get(key);
  }

  /** What was noted before the last call is forgotten. */
  age(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }
}

const keyOf = (source: string, document: DocumentId): string => `${source}\u0000${document}`;
