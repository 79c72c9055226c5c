import type { Checkpoints } from '../../src/ports/checkpoints.ts';

/** Kept as JSON text, as a real store would: what does not survive JSON does not survive here either. */
export function createMemoryCheckpoints(): Checkpoints {
  const states = new Map<string, string>();
  return {
    load: (source) => {
      const state = states.get(source);
      return Promise.resolve(state === undefined ? undefined : (JSON.parse(state) as unknown));
    },
    save: (source, state) => {
      states.set(source, JSON.stringify(state));
      return Promise.resolve();
    },
  };
}
