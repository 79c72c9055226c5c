import { setTimeout as sleep } from 'node:timers/promises';
import type { Component } from '../../../scripts/stack/index.ts';
import type { Instance, Place } from '../../e2e/support/instance.ts';
import type { Run } from '../../e2e/support/process.ts';
import { Random } from '../../sim/random.ts';
import { startQdrant } from '../../support/qdrant/double.ts';
import { explain, gather, keep } from './evidence.ts';
import { Load } from './load.ts';
import { caughtUp, verdictOf, type Verdict } from './verdict.ts';
import { CONNECTOR, SHORT_SESSIONS, startWorld, type World } from './world.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly instances: number;
  readonly report: (line: string) => void;
  /** A folder for everything that tells why the index is wrong, if it is. */
  readonly evidence?: string | undefined;
}

export interface SoakResult {
  readonly verdict: Verdict;
  readonly statements: number;
  readonly faults: number;
}

const LOAD = { perSecond: 40, rows: 300 };
/** Between two faults; several may be under way at once, each on another component. */
const PAUSE_MS = { least: 1_500, most: 7_000 };
/** Some longer than the session timeout: then partitions are another's when the frozen one comes back. */
const FROZEN_MS = { least: 1_000, most: 12_000 };
/** Killed for this long: some shorter and some longer than what waits for it is patient. */
const DEAD_MS = { least: 0, most: 8_000 };
const UP_MS = 180_000;
const LATE_MS = 30_000;
const TRUNCATED = 'articles';

interface Member {
  readonly name: string;
  readonly place: Place;
  readonly runs: Run[];
  instance: Instance;
}

interface Fault {
  /** One fault at a time for each. */
  readonly target: string;
  readonly what: string;
  readonly run: () => Promise<void>;
}

/**
 * Edits of all kinds while things die, freeze, leave and come back at random; in the end everything is up again, and the index is compared
 * with the database. The seed decides what happens; when exactly, the machine does too.
 */
export async function soak({ seed, minutes, instances, report, evidence }: SoakOptions): Promise<SoakResult> {
  const random = new Random(seed);
  const startedAt = performance.now();
  const say = (line: string): void =>
    report(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${line}`);
  say(`seed ${seed}, ${minutes} minutes, ${instances} instances`);
  await using qdrant = await startQdrant();
  await using world = await startWorld();
  const members: Member[] = [];
  for (let n = 0; n < instances; n += 1) members.push(await join(world, qdrant.url, `freshet-${n + 1}`, n === 0));
  const load = new Load(world.sql, { ...LOAD, seed }).start();
  const busy = new Map<string, Promise<void>>();
  let faults = 0;
  let failure: unknown;

  const begin = (fault: Fault): void => {
    faults += 1;
    say(`${fault.target} ${fault.what}`);
    const running = fault
      .run()
      .catch((error: unknown) => (failure ??= new Error(`${fault.target} ${fault.what}: it failed`, { cause: error })))
      .then(() => void busy.delete(fault.target));
    busy.set(fault.target, running);
  };
  /** Ended by itself: a fatal error, which no fault may lead to. */
  const checkAlive = (): void => {
    if (failure !== undefined) throw failure;
    for (const { name, instance } of members) {
      const { exitCode } = instance.run.child;
      if (exitCode !== null && !busy.has(name)) {
        throw new Error(
          `${name} ended by itself (exit code ${exitCode}):\n${tail(instance.run.stderr() + instance.run.stdout())}`,
        );
      }
    }
  };

  try {
    // What it takes to start counts for nothing, or a slow machine would see fewer faults.
    const begunAt = performance.now();
    const until = begunAt + minutes * 60_000;
    while (performance.now() < until) {
      await sleep(between(random, PAUSE_MS));
      checkAlive();
      // A truncation forgives every change that was lost before it.
      const isLate = performance.now() > (begunAt + until) / 2;
      const free = faultsOf(world, members, random).filter(
        ({ target }) => !busy.has(target) && !(isLate && target === TRUNCATED),
      );
      if (free.length > 0) begin(random.pick(free));
    }
    say('everything comes back');
    await Promise.all(busy.values());
    await load.stop();
    checkAlive();
    await world.connect.running(CONNECTOR);
    const [{ place, instance }] = members as [Member];
    await caughtUp(world, instance, UP_MS);
    const verdict = await verdictOf(place);
    checkAlive();
    if (verdict.problems.length > 0) {
      // Whether it was late or is wrong: the verdict that counts is the first.
      say(`not clean: ${JSON.stringify(verdict)}`);
      await sleep(LATE_MS);
      say(`${seconds(LATE_MS)} later: ${JSON.stringify(await verdictOf(place))}`);
      const found = await gather(world, qdrant.url);
      const documents = new Set(verdict.problems.map(({ document }) => document));
      for (const line of explain(found, [...documents])) say(line);
      if (evidence !== undefined) await keep(evidence, found, world, outputsOf(members));
    }
    say(`${load.statements} statements, ${faults} faults: ${JSON.stringify(verdict)}`);
    return { verdict, statements: load.statements, faults };
  } finally {
    await load.stop().catch(() => undefined);
    // Stopped processes would not hear that they should end.
    for (const { instance } of members) instance.run.child.kill('SIGCONT');
    await Promise.all(busy.values());
  }
}

async function join(world: World, url: string, name: string, isFirst: boolean): Promise<Member> {
  const place = world.place({
    index: { engine: 'qdrant', url },
    source: SHORT_SESSIONS,
    // Pushed documents are kept by one instance, here by the first.
    more: isFirst ? {} : { server: { pushes: 'refuse' } },
  });
  const instance = await place.start();
  await instance.ready(UP_MS);
  return { name, place, instance, runs: [instance.run] };
}

async function startAgain(member: Member): Promise<void> {
  member.instance = await member.place.start();
  member.runs.push(member.instance.run);
}

/** Of each run of each member, with its process id: that is how others name it. */
const outputsOf = (members: readonly Member[]): Record<string, string> =>
  Object.fromEntries(
    members.flatMap(({ name, runs }) =>
      runs.map(({ pid, stdout, stderr }) => [`${name}-${pid}.txt`, stdout() + stderr()] as const),
    ),
  );

function faultsOf(world: World, members: readonly Member[], random: Random): readonly Fault[] {
  const deadMs = between(random, DEAD_MS);
  const frozenMs = between(random, FROZEN_MS);
  const servers: readonly Component[] = [world.kafka, world.connect, world.postgres];
  return [
    ...servers.flatMap((component): Fault[] => [
      {
        target: component.name,
        what: `is killed, for ${seconds(deadMs)}`,
        run: async () => {
          await component.kill9();
          await sleep(deadMs);
          await component.start();
        },
      },
      {
        target: component.name,
        what: `is frozen for ${seconds(frozenMs)}`,
        run: async () => {
          component.pause();
          await sleep(frozenMs);
          component.resume();
        },
      },
    ]),
    ...members.flatMap((member): Fault[] => [
      {
        target: member.name,
        what: `is killed, for ${seconds(deadMs)}`,
        run: async () => {
          await member.instance.kill();
          await sleep(deadMs);
          await startAgain(member);
        },
      },
      {
        target: member.name,
        what: `is frozen for ${seconds(frozenMs)}`,
        run: async () => {
          member.instance.run.child.kill('SIGSTOP');
          await sleep(frozenMs);
          member.instance.run.child.kill('SIGCONT');
        },
      },
      {
        target: member.name,
        what: `stops in order, for ${seconds(deadMs)}`,
        run: async () => {
          const { code } = await member.instance.stop();
          if (code !== 0)
            throw new Error(
              `${member.name} was stopped and ended with ${code}:\n${tail(member.instance.run.stderr())}`,
            );
          await sleep(deadMs);
          await startAgain(member);
        },
      },
    ]),
    {
      target: 'connector',
      what: 'is asked for an incremental snapshot',
      run: async () => {
        await world.sql.run(`INSERT INTO debezium_signal VALUES ($1, 'execute-snapshot', $2) ON CONFLICT DO NOTHING`, [
          `soak-${random.int(2 ** 30)}`,
          JSON.stringify({ 'data-collections': ['public.articles'], type: 'INCREMENTAL' }),
        ]);
      },
    },
    { target: TRUNCATED, what: 'is truncated', run: async () => void (await world.sql.run('TRUNCATE articles')) },
  ];
}

const between = (random: Random, { least, most }: { readonly least: number; readonly most: number }): number =>
  least + random.int(most - least);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const tail = (text: string): string => text.trimEnd().split('\n').slice(-30).join('\n');
