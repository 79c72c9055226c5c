/** Shortest substring that V8 keeps as a window into its parent; a memo of such windows would hold whole documents in memory. */
const SLICED_STRING_LENGTH = 13;
const KEY_LENGTH_MAX = 64;

/**
 * A bounded memo in two generations: when the young one is full it becomes the old one and the old one is dropped, so hot words stay
 * (a hit in the old one moves to the young) and memory never exceeds 2 × `capacity` short words.
 */
export function memoise<T>(compute: (key: string) => T, capacity: number): (key: string) => T {
  let young = new Map<string, T>();
  let old = new Map<string, T>();

  return (key) => {
    const hit = young.get(key);
    if (hit !== undefined) return hit;
    if (key.length > KEY_LENGTH_MAX) return compute(key);
    const value = old.get(key) ?? compute(key);
    if (young.size >= capacity) {
      old = young;
      young = new Map();
    }
    young.set(key.length < SLICED_STRING_LENGTH ? key : detached(key), value);
    return value;
  };
}

/** A copy that does not point into the text the key was cut from. */
function detached(key: string): string {
  return Buffer.from(key, 'utf16le').toString('utf16le');
}
