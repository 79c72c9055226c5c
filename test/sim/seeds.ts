import { expect, it } from 'vitest';
import { PROFILES, type ProfileName } from './profiles.ts';
import { runSeed } from './simulation.ts';

/** Hundreds of seeds on a busy machine take their time. */
const TIMEOUT_MS = 240_000;

/** One test per profile: every seed keeps every invariant. A failure names the command that shows its trace. */
export function itKeepsItsPromises(name: ProfileName, seeds: number): void {
  it(`keeps its invariants over ${seeds} seeds of profile ${name}`, { timeout: TIMEOUT_MS }, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const { violation } = await runSeed(seed, { profile: PROFILES[name] });
      const command = `npx tsx test/sim/run.ts --profile ${name} --seed ${seed} --trace`;
      expect(violation && `${command}\ninvariant ${violation.check}: ${violation.message}`).toBeUndefined();
    }
  });
}
