import type { DeadLetter, DeadLetters, StoredDeadLetter } from '../../src/ports/dead-letters.ts';

export function createMemoryDeadLetters(): DeadLetters {
  const letters = new Map<string, StoredDeadLetter>();
  return {
    put: (letter) => {
      const id = letterId(letter);
      const attempts = (letters.get(id)?.attempts ?? 0) + letter.attempts;
      letters.set(id, { ...letter, id, attempts });
      return Promise.resolve();
    },
    list: ({ limit, after }) => {
      const ordered = [...letters.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      return Promise.resolve(ordered.filter(({ id }) => after === undefined || id > after).slice(0, limit));
    },
    get: (id) => Promise.resolve(letters.get(id)),
    remove: (id) => {
      letters.delete(id);
      return Promise.resolve();
    },
    resolve: (source, document, version) => {
      const id = `${source}/${document}`;
      const letter = letters.get(id);
      if (letter !== undefined && (letter.version === undefined || letter.version <= version)) letters.delete(id);
      return Promise.resolve();
    },
    count: () => Promise.resolve(letters.size),
  };
}

/** One letter per document, or per position where no document is known. */
function letterId({ source, document, position }: DeadLetter): string {
  return `${source}/${document ?? `${position.partition}@${position.offset}`}`;
}
