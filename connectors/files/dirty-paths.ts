/**
 * Paths to look at, each once its file has been left alone for a while. Only names are kept, so a burst of events costs no memory worth
 * the name, and a thousand writes to one file are looked at once.
 */
export class DirtyPaths {
  #paths = new Map<string, { due: number; latest: number; readonly since: number }>();

  get size(): number {
    return this.#paths.size;
  }

  /** When the oldest of them was first marked, milliseconds on the caller's monotonic clock. */
  get oldest(): number | undefined {
    let oldest: number | undefined;
    for (const { since } of this.#paths.values()) oldest = Math.min(oldest ?? since, since);
    return oldest;
  }

  /** Looked at `settleMs` from now, later if marked again, but never later than 20 times that: some files never rest. */
  mark(path: string, now: number, settleMs: number): void {
    const known = this.#paths.get(path);
    const latest = known?.latest ?? now + settleMs * 20;
    this.#paths.set(path, { due: Math.min(now + settleMs, latest), latest, since: known?.since ?? now });
  }

  /** Puts back a path that was taken and could not be settled, for `delayMs`. */
  postpone(path: string, now: number, since: number, delayMs: number): void {
    const known = this.#paths.get(path);
    this.#paths.set(path, { due: now + delayMs, latest: Infinity, since: Math.min(since, known?.since ?? since) });
  }

  paths(): IterableIterator<string> {
    return this.#paths.keys();
  }

  /** Removes and returns up to `limit` paths that are due, in the order they were first marked. */
  take(now: number, limit: number): readonly { readonly path: string; readonly since: number }[] {
    const taken: { path: string; since: number }[] = [];
    for (const [path, { due, since }] of this.#paths) {
      if (taken.length >= limit) break;
      if (due <= now) taken.push({ path, since });
    }
    for (const { path } of taken) this.#paths.delete(path);
    return taken;
  }

  /** Milliseconds until the next path is due; undefined when there is none. */
  nextIn(now: number): number | undefined {
    let next: number | undefined;
    for (const { due } of this.#paths.values()) next = Math.min(next ?? due, due);
    return next === undefined ? undefined : Math.max(0, next - now);
  }
}
