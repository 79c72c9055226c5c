import pc from 'picocolors';
import type { CliDeps, Output } from './deps.ts';

export type Colours = ReturnType<typeof pc.createColors>;

/** https://no-color.org: any value but the empty one switches colours off. FORCE_COLOR switches them on where there is no terminal. */
export function hasColours(output: Output, env: CliDeps['env']): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false;
  if ((env.FORCE_COLOR ?? '') !== '' && env.FORCE_COLOR !== '0') return true;
  return output.isTTY === true && env.TERM !== 'dumb';
}

/** Results go to `out`, everything said about them to `err`, so that pipes get results only. */
export interface Screen {
  readonly out: Colours;
  readonly err: Colours;
  readonly columns: number;
  print(text: string): void;
  printJson(value: unknown): void;
  note(text: string): void;
}

export function createScreen(deps: CliDeps): Screen {
  return {
    out: pc.createColors(hasColours(deps.stdout, deps.env)),
    err: pc.createColors(hasColours(deps.stderr, deps.env)),
    columns: Math.max(40, Math.min(120, deps.stdout.columns ?? 100)),
    print: (text) => void deps.stdout.write(`${text}\n`),
    printJson: (value) => void deps.stdout.write(`${JSON.stringify(value, null, 2)}\n`),
    note: (text) => void deps.stderr.write(`${text}\n`),
  };
}
