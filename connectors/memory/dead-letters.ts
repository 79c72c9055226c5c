import type { PartitionId } from '../../src/domain/ids.ts';
import type { Version } from '../../src/domain/version.ts';
import type { DeadLetter, DeadLetters, StoredDeadLetter } from '../../src/ports/dead-letters.ts';

export function createMemoryDeadLetters(): DeadLetters {
  /** By identity; a Map keeps the order of the first failures. */
  const letters = new Map<string, StoredDeadLetter>();
  let numbers = 0;
  const byId = (id: string): [string, StoredDeadLetter] | undefined =>
    [...letters].find(([, letter]) => letter.id === id);
  const numberOf = (id: string): number => Number(id.slice('dl_'.length));

  return {
    put: (letter) => {
      const identity = identityOf(letter);
      const stored = letters.get(identity);
      // An older failure that comes late (a replay, a zombie) counts, but what is to be retried is the newer one.
      const isLate = stored?.version !== undefined && letter.version !== undefined && letter.version < stored.version;
      const attempts = (stored?.attempts ?? 0) + letter.attempts;
      letters.set(identity, sealed(isLate ? stored : letter, attempts, stored?.id ?? `dl_${numbers++}`));
      return Promise.resolve();
    },
    list: ({ limit, after }) => {
      const from = after === undefined ? -1 : numberOf(after);
      return Promise.resolve([...letters.values()].filter(({ id }) => numberOf(id) > from).slice(0, limit));
    },
    get: (id) => Promise.resolve(byId(id)?.[1]),
    ofDocument: (document) => Promise.resolve([...letters.values()].findLast((letter) => letter.document === document)),
    lowestVersions: () => {
      const lowest = new Map<PartitionId, Version>();
      for (const { version, position } of letters.values()) {
        const known = lowest.get(position.partition);
        if (version !== undefined && (known === undefined || version < known)) lowest.set(position.partition, version);
      }
      return Promise.resolve(lowest);
    },
    remove: (id) => {
      const found = byId(id);
      if (found !== undefined) letters.delete(found[0]);
      return Promise.resolve();
    },
    resolve: (source, document, version) => {
      if (letters.size === 0) return Promise.resolve();
      const identity = identityOf({ source, document });
      const stored = letters.get(identity);
      // A letter without a version may be of a later change than the one just indexed: it stays.
      if (stored?.version !== undefined && stored.version <= version) letters.delete(identity);
      return Promise.resolve();
    },
    count: () => Promise.resolve(letters.size),
  };
}

/** One letter per document of a source; a record whose document is not known stands for itself. */
function identityOf(letter: Pick<DeadLetter, 'source' | 'document'> & Partial<Pick<DeadLetter, 'position'>>): string {
  const { source, document, position } = letter;
  return JSON.stringify([source, document ?? `${position?.partition}@${position?.offset}`]);
}

/** The key is there for whoever reads the row again, but not for JSON, a log or a spread: it can be personal data. */
function sealed(letter: DeadLetter, attempts: number, id: string): StoredDeadLetter {
  const { key } = letter;
  return Object.defineProperty({ ...letter, attempts, id }, 'key', { value: key, enumerable: false });
}
