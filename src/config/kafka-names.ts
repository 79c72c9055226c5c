/** Name of the consumer group as configured, else derived from the source's name. */
export const consumerGroup = (source: string, config: { readonly group?: string }): string =>
  config.group ?? `freshet-${source}`;
