/** The newest samples, for percentiles over "lately". Bounded by count and by age; time is an argument. */
export class RecentSamples {
  readonly #countMax: number;
  readonly #ageMsMax: number;
  /** Oldest first. */
  #samples: { readonly at: number; readonly value: number }[] = [];

  constructor(countMax: number, ageMsMax: number) {
    this.#countMax = countMax;
    this.#ageMsMax = ageMsMax;
  }

  add(value: number, now: number): void {
    this.#samples.push({ at: now, value });
    // Cut in blocks, so that adding stays cheap.
    if (this.#samples.length >= this.#countMax * 2) this.#samples = this.#samples.slice(-this.#countMax);
  }

  summary(now: number): Percentiles {
    const values = this.#samples
      .slice(-this.#countMax)
      .filter((sample) => now - sample.at <= this.#ageMsMax)
      .map((sample) => sample.value)
      .sort((a, b) => a - b);
    return {
      count: values.length,
      p50: percentile(values, 50),
      p95: percentile(values, 95),
      p99: percentile(values, 99),
    };
  }
}

export interface Percentiles {
  readonly count: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
}

/** Nearest rank: always a value that was measured. `sorted` ascending; undefined when empty. */
export function percentile(sorted: readonly number[], percent: number): number | undefined {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}
