import type { FreshetError } from '../../domain/errors.ts';
import type { FedIndex } from '../../ports/index-catalogue.ts';
import type { DeadLetters } from '../../ports/dead-letters.ts';
import type { LiveSource } from '../live-source.ts';
import type { Services } from '../services.ts';
import type { Section } from './plan.ts';

/** Everything that can be asked of one index. */
export type LineServices = Omit<Services, 'indexes'>;

/** One index with everything that feeds and answers from it. Lines of an instance share no position: a slow one delays no other. */
export interface Line {
  readonly name: string;
  /** Which part of the configuration it is built from. */
  readonly settings: Section;
  /** Whether a rebuild exchanges it in place; otherwise another index is built beside it. */
  readonly rebuildsInPlace: boolean;
  /** The model as people know it. */
  readonly embedderName: string;
  readonly index: FedIndex;
  readonly sources: readonly LiveSource[];
  readonly deadLetters: DeadLetters;
  readonly services: LineServices;
  /** Rejects when a pipeline of it fails for good: it is not fed any more. Never resolves. */
  readonly failed: Promise<never>;
  /** Set by then. */
  readonly failure: FreshetError | undefined;
  /** Stops feeding it and closes the index. What feeds it at the source (slots, groups) stays. */
  close(): Promise<void>;
}
