/**
 * Label values come from bounded sets, whatever is thrown at them: a metric with a label per document would take the memory of the index.
 * Values beyond the limit share one name.
 */
export class BoundedLabel {
  readonly #limit: number;
  readonly #pattern: RegExp;
  readonly #seen = new Set<string>();

  constructor(limit: number, pattern: RegExp) {
    this.#limit = limit;
    this.#pattern = pattern;
  }

  of(value: string): string {
    if (this.#seen.has(value)) return value;
    if (this.#seen.size >= this.#limit || !this.#pattern.test(value)) return OTHER_LABEL;
    this.#seen.add(value);
    return value;
  }
}

export const OTHER_LABEL = 'other';

/** The stable UPPER_SNAKE codes of errors. */
export const codeLabel = (): BoundedLabel => new BoundedLabel(100, /^[A-Z][A-Z0-9_]{1,63}$/u);
/** Names that stand in the configuration: sources, tables, partitions. */
export const nameLabel = (): BoundedLabel => new BoundedLabel(500, /^.{1,200}$/u);
/** Words of our own. */
export const wordLabel = (): BoundedLabel => new BoundedLabel(50, /^[a-z][a-z0-9 _-]{0,49}$/u);
