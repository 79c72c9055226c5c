import type { ProfileName } from './profiles.ts';
import type { Mutation } from './simulation.ts';

/** A rule removed. Each must be caught by some seed of its profile. */
export interface Mutant {
  readonly name: string;
  readonly profile: ProfileName;
  readonly mutation: Mutation;
}

export const MUTANTS: readonly Mutant[] = [];
