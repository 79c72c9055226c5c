import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.ts';
import { PROFILES } from './profiles.ts';
import { runSeed } from './simulation.ts';

/** npx tsx test/sim/kill-all.ts [--seeds 300] [--only text] [--all]: the first seed that catches each mutant, or how many do. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
});

for (const { name, profile, mutation } of MUTANTS.filter((mutant) => mutant.name.includes(values.only))) {
  const chosen = values.profile === undefined ? profile : (values.profile as typeof profile);
  let caught = 0;
  let first: string | undefined;
  for (let seed = 1; seed <= Number(values.seeds) && (values.all || caught === 0); seed++) {
    const { violation } = await runSeed(seed, { profile: PROFILES[chosen], mutation });
    if (violation === undefined) continue;
    caught++;
    first ??= `first by seed ${seed}, invariant ${violation.check}: ${violation.message.split('\n')[0]}`;
  }
  console.log(
    `${first === undefined ? 'ALIVE ' : 'caught'} ${chosen}: ${name}${values.all ? ` (${caught} of ${values.seeds})` : ''}: ${first ?? ''}`,
  );
}
