/** Each may hold a fetched batch in memory, or a connection: hundreds of partitions do not ask all at once. */
const AT_ONCE = 8;

/** Results in order. Rejects with the first failure, once those begun beside it are over. */
export async function inParallel<T, R>(items: readonly T[], work: (item: T, at: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += AT_ONCE) {
    const slice = items.slice(first, first + AT_ONCE);
    const settled = await Promise.allSettled(slice.map((item, index) => work(item, first + index)));
    for (const one of settled) {
      if (one.status === 'rejected') throw one.reason;
      results.push(one.value);
    }
  }
  return results;
}
