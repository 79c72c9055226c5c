import { describe, expect, it } from 'vitest';
import { PROFILES, type ProfileName } from './profiles.ts';
import { runSeed } from './simulation.ts';

async function traceOf(seed: number, name: ProfileName): Promise<readonly string[]> {
  const lines: string[] = [];
  await runSeed(seed, { profile: PROFILES[name], trace: (line) => lines.push(line) });
  return lines;
}

describe('the simulation', () => {
  it.for(Object.keys(PROFILES) as ProfileName[])(
    'runs the same seed of profile %s the same way twice',
    async (name) => {
      const first = await traceOf(7, name);
      expect(first.length).toBeGreaterThan(50);
      expect(await traceOf(7, name)).toEqual(first);
    },
  );

  it('runs different seeds differently', async () => {
    expect(await traceOf(1, 'kafka')).not.toEqual(await traceOf(2, 'kafka'));
  });

  it('reaches the dangerous moments of a group', async () => {
    const seen: string[] = [];
    for (let seed = 1; seed <= 20; seed++) seen.push(...(await traceOf(seed, 'group-poison')));
    const moments = [
      'REVOKING',
      'LOST',
      'OUT of the group',
      'FREEZE',
      'ZOMBIE',
      'CRASH',
      'STOP',
      'fetch a record',
      'refused',
    ];
    expect(moments.filter((moment) => !seen.some((line) => line.includes(moment)))).toEqual([]);
  });

  it('reaches the dangerous moments', async () => {
    const seen: string[] = [];
    for (let seed = 1; seed <= 20; seed++) seen.push(...(await traceOf(seed, 'hot')));
    const moments = ['ZOMBIE', 'CRASH', 'STOP', 'REPLAY', 'OUTAGE', 'time out', 'orphaned', 'table-truncated'];
    expect(moments.filter((moment) => !seen.some((line) => line.includes(moment)))).toEqual([]);
  });
});
