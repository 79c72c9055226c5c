import { describe, expect, it } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { PROFILES } from './profiles.ts';
import { runSeed } from './simulation.ts';

const SEEDS_MAX = 600;

/** Each rule is needed: without it, alone, some seed breaks an invariant. */
describe('the simulation catches it when', () => {
  it.for(MUTANTS)('$name', { timeout: 120_000 }, async ({ profile, mutation }) => {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const { violation } = await runSeed(seed, { profile: PROFILES[profile], mutation });
      if (violation !== undefined) return;
    }
    expect.fail(`${SEEDS_MAX} seeds of profile ${profile} noticed nothing`);
  });
});
