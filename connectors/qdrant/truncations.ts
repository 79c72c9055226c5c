import type { TableId } from '../../src/domain/ids.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { mergeTruncations, readTruncations } from './ledger.ts';
import type { QdrantStore } from './store.ts';

const AGE_MAX_MS = 1_000;

/**
 * All truncations this process knows of. They are only raised, so an old one hides nothing that it should not.
 *
 * Writers ask for every record, so what they get may be a second old, as far as another instance raised it; what this process raised it
 * knows at once. That is safe: a document written although a truncation covers it carries the position that is covered, and readers, who
 * read the truncation of every table in an answer beside the heads, hide it from the first moment until the sweep buries it.
 */
export class Truncations {
  readonly known = new Map<TableId, Truncation>();
  readonly #store: QdrantStore;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #lifetime: AbortSignal;
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(store: QdrantStore, clock: Pick<Clock, 'monotonic'>, lifetime: AbortSignal) {
    this.#store = store;
    this.#clock = clock;
    this.#lifetime = lifetime;
  }

  /** At most a second old. */
  async recent(signal: AbortSignal): Promise<ReadonlyMap<TableId, Truncation>> {
    throwIfAborted(signal);
    if (this.#clock.monotonic() - this.#readAt > AGE_MAX_MS) {
      // Shared by all who ask meanwhile, and so ended by none of them.
      this.#reading ??= this.#read(this.#lifetime).finally(() => (this.#reading = undefined));
      await this.#reading;
      throwIfAborted(signal);
    }
    return new Map(this.known);
  }

  /** As of now: what is deleted for good is decided on these. */
  async fresh(signal: AbortSignal): Promise<ReadonlyMap<TableId, Truncation>> {
    await this.#read(signal);
    return new Map(this.known);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const readAt = this.#clock.monotonic();
    mergeTruncations(this.known, await readTruncations(this.#store, signal));
    this.#readAt = readAt;
  }
}
