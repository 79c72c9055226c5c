import type { SharedCheckpoints } from '../../src/ports/checkpoints.ts';

/** Kept as JSON text, as a real store would: what does not survive JSON does not survive here either. */
export function createMemoryCheckpoints(): SharedCheckpoints {
  const states = new Map<string, string>();
  const stored = (source: string): unknown => {
    const state = states.get(source);
    return state === undefined ? undefined : JSON.parse(state);
  };
  return {
    load: (source) => Promise.resolve(stored(source)),
    change: (source, next) => {
      const state = next(stored(source));
      if (state !== undefined) states.set(source, JSON.stringify(state));
      return Promise.resolve(stored(source));
    },
    save: (source, state) => {
      states.set(source, JSON.stringify(state));
      return Promise.resolve();
    },
  };
}
