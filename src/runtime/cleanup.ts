/** Undoes what was opened, last first, each step once, whatever the others do. */
export class Cleanup {
  readonly #steps: { readonly what: string; readonly undo: () => void | PromiseLike<void> }[] = [];

  add(what: string, undo: () => void | PromiseLike<void>): void {
    this.#steps.push({ what, undo });
  }

  /** Runs every step; errors are reported, not thrown, so that no step keeps another from running. */
  async run(onError: (what: string, error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        onError(step.what, error);
      }
    }
  }
}
