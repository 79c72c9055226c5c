/**
 * Random faults under load on the real servers, and a comparison of index and database at the end.
 *
 *     npm run soak -- --minutes 60 [--seed 7] [--instances 3] [--evidence folder]
 *
 * Prints the seed and everything that happens. Exits with 1 when the index is not what the database says, or an instance ended by itself.
 * What explains an index that is wrong (the log, the rows, the index, all output) is left in the folder of `--evidence`.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { soak } from '../test/integration/support/soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    instances: { type: 'string' },
    evidence: { type: 'string' },
  },
});
const number = (text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  console.error('Usage: npm run soak -- --minutes 60 [--seed 7] [--instances 3] [--evidence folder]');
  process.exit(2);
};

const { verdict } = await soak({
  seed: number(values.seed, randomInt(1, 2 ** 31)),
  minutes: number(values.minutes, 3),
  instances: number(values.instances, 2),
  evidence: values.evidence,
  report: (line) => console.log(line),
});
const { missing, stale, ghost, duplicate, notCompared, unindexable } = verdict;
process.exit(missing + stale + ghost + duplicate + unindexable + notCompared.length === 0 ? 0 : 1);
