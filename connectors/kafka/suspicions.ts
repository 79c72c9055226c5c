import type { FreshetError } from '../../src/domain/errors.ts';
import { topicRecreated } from './epoch.ts';
import type { PartitionProgress } from './partition-progress.ts';

/** Looks in a row that must find the end of a partition below what was there: a new leader may lag for a moment. */
const LOOKS = 5;
/** Fetches in a row that began elsewhere than asked for: what goes on jumping after everything was checked cannot be trusted. */
const JUMPS = 3;

/** Signs of a topic that was recreated under a running source; each has harmless causes, so it must be seen several times in a row. */
export class Suspicions {
  readonly #lowEnds = new Map<string, number>();
  #jumps = 0;

  /**
   * Notes the end of a partition, as the broker told it now.
   * @throws fatal KAFKA_TOPIC_RECREATED
   */
  end(partition: PartitionProgress, end: bigint | undefined): void {
    if (end === undefined) return;
    const seen = partition.end > partition.fetched ? partition.end : partition.fetched;
    if (end >= seen) {
      partition.end = end;
      this.#lowEnds.delete(partition.key);
      return;
    }
    const times = (this.#lowEnds.get(partition.key) ?? 0) + 1;
    this.#lowEnds.set(partition.key, times);
    if (times >= LOOKS) throw topicRecreated(partition, `ends at ${end}`, { end: String(end), seen: String(seen) });
  }

  /** Records came from another offset than the next one. */
  jump(partition: PartitionProgress, from: bigint): FreshetError | undefined {
    this.#jumps += 1;
    if (this.#jumps < JUMPS) return undefined;
    return topicRecreated(partition, `was read at ${from} instead of ${partition.fetched}`);
  }

  noJump(): void {
    this.#jumps = 0;
  }
}
