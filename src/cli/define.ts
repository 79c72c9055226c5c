import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/units.ts';
import { type Context, createContext, type GlobalOptions } from './context.ts';
import type { CliDeps } from './deps.ts';

/** What a command hands back: its exit code (see exit-codes.ts). */
export type Handler<Options extends GlobalOptions, Arguments extends readonly unknown[]> = (
  context: Context<Options>,
  ...args: Arguments
) => Promise<number>;

/** Where the exit code of the command that ran is put, as commander's own return value cannot carry it. */
export interface Outcome {
  exitCode: number;
}

export type Register = (program: Command, deps: CliDeps, outcome: Outcome) => void;

/** Binds a handler: it sees its context and its arguments, never commander. */
export function handle<Options extends GlobalOptions, Arguments extends readonly unknown[] = []>(
  command: Command,
  deps: CliDeps,
  outcome: Outcome,
  handler: Handler<Options, Arguments>,
): Command {
  const positionals = command.registeredArguments.length;
  return command.action(async (...given: unknown[]) => {
    const args = given.slice(0, positionals) as unknown as Arguments;
    outcome.exitCode = await handler(createContext<Options>(deps, command), ...args);
  });
}

/** Examples below the help of a command: what to type, and what it is for. */
export function examples(command: Command, ...lines: readonly (readonly [line: string, what: string])[]): Command {
  const width = Math.max(...lines.map(([line]) => line.length));
  const text = lines.map(([line, what]) => `  $ ${line.padEnd(width)}  ${what}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

/** For commands about the live index that can be about another one. */
export interface IndexOption {
  readonly index?: string;
}

export const INDEX_OPTION = ['--index <name>', 'of another index than the live one, e.g. before a switch'] as const;

export const ofIndex = ({ index }: IndexOption): { readonly index?: string } => (index === undefined ? {} : { index });

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    }
    return value;
  };

export function durationMs(text: string): number {
  const value = parseDuration(text);
  if (value === undefined) throw new InvalidArgumentError('Give a duration such as 500ms, 2s or 1m.');
  return value;
}

export const collect = (value: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  value,
];
