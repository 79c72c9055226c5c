/**
 * The stack for a person at a keyboard:
 *
 *     npm run stack -- up [--only kafka,postgres,connect,registry]     starts it in the background and prints the addresses
 *     npm run stack -- status
 *     npm run stack -- down
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stackCache } from './cache.ts';
import type { Component } from './component.ts';
import { startConnect } from './connect.ts';
import { StackError } from './error.ts';
import { isAlive } from './family.ts';
import { startKafka } from './kafka.ts';
import { startPostgres } from './postgres.ts';
import { startRegistry } from './registry.ts';

const NAMES = ['kafka', 'postgres', 'connect', 'registry'] as const;
type Name = (typeof NAMES)[number];

interface State {
  /** Of the process that owns the components: it ends, they end. */
  readonly pid: number;
  readonly components: Readonly<
    Record<string, { readonly address: string; readonly log: string; readonly pid?: number }>
  >;
}

const UP_MS = 600_000;
const stateFile = (): string => join(stackCache(), 'up.json');
const logFile = (): string => join(stackCache(), 'up.log');

function readState(): State | undefined {
  if (!existsSync(stateFile())) return undefined;
  const state = JSON.parse(readFileSync(stateFile(), 'utf8')) as State;
  return isAlive(state.pid) ? state : undefined;
}

async function up(only: readonly Name[]): Promise<void> {
  if (readState() !== undefined) throw new StackError('The stack is up already. See "npm run stack -- status".');
  mkdirSync(stackCache(), { recursive: true });
  rmSync(stateFile(), { force: true });
  const log = openSync(logFile(), 'w');
  const self = fileURLToPath(import.meta.url);
  const keeper = spawn(process.execPath, [...process.execArgv, self, 'keep', '--only', only.join(',')], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let printed = 0;
  for (let waited = 0; !existsSync(stateFile()); waited += 200) {
    await sleep(200);
    const text = readFileSync(logFile(), 'utf8');
    process.stderr.write(text.slice(printed));
    printed = text.length;
    if (keeper.exitCode !== null) throw new StackError(`The stack did not come up. Its log: ${logFile()}`);
    if (waited > UP_MS)
      throw new StackError(`The stack is not up after ${UP_MS / 60_000} minutes. Its log: ${logFile()}`);
  }
  keeper.unref();
  status();
}

/** Owns the components until it is told to stop. */
async function keep(only: readonly Name[]): Promise<void> {
  const wants = (name: Name): boolean => only.includes(name);
  const [kafka, postgres, registry] = await Promise.all([
    wants('kafka') || wants('connect') ? startKafka() : undefined,
    wants('postgres') ? startPostgres() : undefined,
    wants('registry') ? startRegistry() : undefined,
  ]);
  const connect =
    kafka !== undefined && wants('connect')
      ? await startConnect({ brokers: kafka.brokers, avro: registry !== undefined })
      : undefined;
  const up: readonly (readonly [Component, string])[] = [
    ...(connect === undefined ? [] : [[connect, connect.url] as const]),
    ...(kafka === undefined ? [] : [[kafka, kafka.brokers[0]] as const]),
    ...(postgres === undefined ? [] : [[postgres, postgres.url] as const]),
    ...(registry === undefined ? [] : [[registry, registry.confluentUrl] as const]),
  ];
  const entry = ([{ name, logPath, pid }, address]: readonly [Component, string]) =>
    [name, { address, log: logPath, ...(pid === undefined ? {} : { pid }) }] as const;
  const state: State = { pid: process.pid, components: Object.fromEntries(up.map(entry)) };
  writeFileSync(stateFile(), JSON.stringify(state));
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  const alive = setInterval(() => undefined, 3_600_000);
  await stopped;
  clearInterval(alive);
  // Connect before what it needs.
  for (const [component] of up) await component[Symbol.asyncDispose]();
  rmSync(stateFile(), { force: true });
}

async function down(): Promise<void> {
  const state = readState();
  if (state === undefined) return console.log('The stack is not up.');
  process.kill(state.pid, 'SIGTERM');
  while (isAlive(state.pid)) await sleep(100);
  console.log('The stack is down.');
}

function status(): void {
  const state = readState();
  if (state === undefined) return console.log('The stack is not up.');
  for (const [name, { address, log, pid }] of Object.entries(state.components)) {
    const alive = pid !== undefined && isAlive(pid) ? '' : '  (not running)';
    console.log(`${name.padEnd(10)}${address.padEnd(48)}${log}${alive}`);
  }
}

function components(only: string | undefined): readonly Name[] {
  if (only === undefined) return NAMES;
  const asked = only.split(',').map((name) => name.trim());
  const unknown = asked.find((name) => !(NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new StackError(`There is no ${unknown} in the stack: ${NAMES.join(', ')}.`);
  return asked as readonly Name[];
}

const USAGE = 'Usage: npm run stack -- up|down|status [--only kafka,postgres,connect,registry]';

function argumentsGiven() {
  try {
    return parseArgs({ allowPositionals: true, options: { only: { type: 'string' }, help: { type: 'boolean' } } });
  } catch {
    console.error(USAGE);
    process.exit(2);
  }
}

const { values, positionals } = argumentsGiven();
const commands: Readonly<Record<string, () => void | Promise<void>>> = {
  up: () => up(components(values.only)),
  keep: () => keep(components(values.only)),
  down,
  status,
};
const command = commands[positionals[0] ?? ''];
if (values.help === true || command === undefined) {
  console.error(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
try {
  await command();
} catch (error) {
  console.error(error instanceof StackError ? error.message : error);
  process.exitCode = 1;
}
