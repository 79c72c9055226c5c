import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import { changeMeta, readMeta } from './meta.ts';
import type { QdrantStore } from './store.ts';

/**
 * A source's position as one guarded record. Saves of one process keep their order; of two processes the later one stands, and a packet
 * that was under way for long never replaces what was saved meanwhile: it is guarded by the revision it was made on.
 * As JSON text: what the state holds is nobody's filter, and odd text survives.
 */
export function createCheckpoints(store: QdrantStore, signal: AbortSignal): Checkpoints {
  const last = new Map<string, Promise<unknown>>();
  return {
    async load(source) {
      const { revision, fields } = await readMeta(store, 'checkpoint', source, signal);
      return revision === 0 ? undefined : JSON.parse(fields['state'] as string);
    },
    save(source, state) {
      const json = JSON.stringify(state);
      const before = last.get(source) ?? Promise.resolve();
      const save = async (): Promise<void> => {
        await changeMeta(store, { kind: 'checkpoint', name: source }, () => ({ state: json }), signal);
      };
      const saved = before.then(save, save);
      last.set(source, saved);
      return saved;
    },
  };
}
