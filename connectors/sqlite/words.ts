/**
 * The FTS5 expression for texts and titles that hold any of the words, at least one; BM25 orders by how many and how rare. Each word is
 * quoted: nothing a user types is syntax.
 * @param scope a token every match must carry in the `scope` column
 */
export function matchExpression(words: readonly string[], scope?: string): string {
  const anywhere = `{title text} : (${words.map((word) => `"${word}"`).join(' OR ')})`;
  return scope === undefined ? anywhere : `scope : ${scope} AND ${anywhere}`;
}
