import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { CLEAN } from './support/settled.ts';
import { soak } from './support/soak.ts';

const MINUTES = 3;
/** Another one each time. The same again: `npm run soak -- --seed …`. */
const seed = Number(process.env['FRESHET_SOAK_SEED'] ?? randomInt(1, 2 ** 31));

it(
  `is what the database says after ${MINUTES} minutes of random faults under load (seed ${seed})`,
  async () => {
    const { verdict, faults } = await soak({
      seed,
      minutes: MINUTES,
      instances: 2,
      report: (line) => console.log(line),
    });
    expect(faults).toBeGreaterThan(10);
    expect(verdict).toMatchObject(CLEAN);
  },
  15 * 60_000,
);
