/** Topics of the brokers' own (offsets, transactions, …): no pattern means them. */
const isInternal = (topic: string): boolean => topic.startsWith('__');

/** The topics of the cluster that a source reads, in order. A pattern is tested against the whole name. */
export function matchingTopics(wanted: readonly (string | RegExp)[], there: Iterable<string>): readonly string[] {
  const names = new Set(wanted.filter((want) => typeof want === 'string'));
  const patterns = wanted
    .filter((want) => want instanceof RegExp)
    .map(({ source, flags }) => new RegExp(`^(?:${source})$`, flags.replaceAll(/[gy]/g, '')));
  return [...there]
    .filter((topic) => names.has(topic) || (!isInternal(topic) && patterns.some((pattern) => pattern.test(topic))))
    .sort();
}

export function isWanted(wanted: readonly (string | RegExp)[], topic: string): boolean {
  return matchingTopics(wanted, [topic]).length > 0;
}
