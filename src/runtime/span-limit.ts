/** Stops reading while the uncommitted span is too long, until something settles. */
export class SpanLimit {
  readonly #span: () => number;
  readonly #limit: number;
  #wake: (() => void) | undefined;

  constructor(span: () => number, limit: number) {
    this.#span = span;
    this.#limit = limit;
  }

  released(): void {
    this.#wake?.();
  }

  async wait(signal: AbortSignal): Promise<void> {
    while (this.#span() >= this.#limit && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }
}
