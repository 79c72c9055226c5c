import type { EmbedQueue } from '../../ingest/embed-queue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Index } from '../../ports/index-store.ts';
import type { LiveSource } from '../live-source.ts';
import type { Expectations } from './expected.ts';
import type { Repair } from './repair.ts';

export interface VerifyDeps {
  readonly index: Index;
  readonly sources: () => readonly LiveSource[];
  readonly expectations: Expectations;
  readonly embedQueue: EmbedQueue;
  readonly tokensOf: (text: string) => number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Writes an expected document, or removes one that must not exist, so that it beats whatever is stored. */
  readonly repair: Repair;
}
