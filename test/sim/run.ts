import { parseArgs } from 'node:util';
import { PROFILES, type ProfileName } from './profiles.ts';
import { MUTANTS } from './mutants.ts';
import { runSeed } from './simulation.ts';

/** npx tsx test/sim/run.ts --profile kafka --from 1 --to 2000 [--mutant name] | --seed 123 --trace */
const { values } = parseArgs({
  options: {
    profile: { type: 'string', default: 'kafka' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    to: { type: 'string', default: '500' },
    mutant: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

const profile = PROFILES[values.profile as ProfileName];
const mutant = MUTANTS.find(({ name }) => name === values.mutant);
if (profile === undefined) throw new Error(`No profile "${values.profile}": ${Object.keys(PROFILES).join(', ')}.`);
if (values.mutant !== undefined && mutant === undefined) throw new Error(`No mutant "${values.mutant}".`);
const from = Number(values.seed ?? values.from);
const to = Number(values.seed ?? values.to);
const trace = values.trace ? (line: string): void => console.log(line) : undefined;

const started = performance.now();
const failures = new Map<string, number>();
let steps = 0;
for (let seed = from; seed <= to; seed++) {
  const options = {
    profile,
    ...(mutant === undefined ? {} : { mutation: mutant.mutation }),
    ...(trace === undefined ? {} : { trace }),
  };
  const result = await runSeed(seed, options);
  steps += result.steps;
  const { violation } = result;
  if (violation === undefined) continue;
  const count = failures.get(violation.check) ?? 0;
  failures.set(violation.check, count + 1);
  if (count < 3) console.log(`seed ${seed}: invariant ${violation.check}: ${violation.message}`);
}
const seconds = (performance.now() - started) / 1000;
const rate = (to - from + 1) / seconds;
console.log(
  `${profile.name}: seeds ${from}…${to}, ${rate.toFixed(0)} seeds/s, ${Math.round(steps / (to - from + 1))} steps/seed;`,
  Object.fromEntries(failures),
);
