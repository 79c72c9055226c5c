/**
 * Name of the consumer group as configured, else derived from the source's name.
 * @param suffix of the index it feeds: each index has a position of its own in the log
 */
export const consumerGroup = (source: string, config: { readonly group?: string }, suffix = ''): string =>
  `${config.group ?? `freshet-${source}`}${suffix}`;
