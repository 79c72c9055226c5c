/** Waiting for a condition on state that announces each change of itself: no polling. */
export class Changes {
  #waiting = new Set<() => void>();

  happened(): void {
    for (const look of this.#waiting) look();
  }

  /** Resolves when the condition holds, or the signal fires: the caller looks which. */
  until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    if (holds() || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(look);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const look = (): void => {
        if (holds()) done();
      };
      this.#waiting.add(look);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
