import type { SharedCheckpoints } from '../../src/ports/checkpoints.ts';
import { changeMeta, readMeta, type MetaRecord } from './meta.ts';
import type { Payload } from './points.ts';
import type { QdrantStore } from './store.ts';

/**
 * A source's position as one guarded record. Saves of one process keep their order; of two processes the later one stands, and a packet
 * that was under way for long never replaces what was saved meanwhile: it is guarded by the revision it was made on.
 * As JSON text: what the state holds is nobody's filter, and odd text survives.
 */
export function createCheckpoints(store: QdrantStore, signal: AbortSignal): SharedCheckpoints {
  const last = new Map<string, Promise<unknown>>();
  return {
    async load(source) {
      return stateOf(await readMeta(store, 'checkpoint', source, signal));
    },
    async change(source, next) {
      const key = { kind: 'checkpoint', name: source } as const;
      const change = (stored: MetaRecord): Payload | undefined => {
        const state = next(stateOf(stored));
        return state === undefined ? undefined : { state: JSON.stringify(state) };
      };
      return stateOf(await changeMeta(store, key, change, signal));
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

const stateOf = ({ revision, fields }: MetaRecord): unknown =>
  revision === 0 ? undefined : JSON.parse(fields['state'] as string);
