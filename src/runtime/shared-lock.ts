/** Many at once, or one alone: who waits for exclusive use holds newcomers back, so that it always gets its turn. */
export class SharedLock {
  #users = 0;
  #exclusive: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#exclusive !== undefined) await this.#exclusive;
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.#drained?.();
    }
  }

  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#exclusive !== undefined) await this.#exclusive;
    let open = (): void => undefined;
    this.#exclusive = new Promise<void>((resolve) => (open = resolve));
    try {
      if (this.#users > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
      return await work();
    } finally {
      this.#drained = undefined;
      this.#exclusive = undefined;
      open();
    }
  }
}
