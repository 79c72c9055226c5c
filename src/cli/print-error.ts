import { ConfigError, formatProblem } from '../config/index.ts';
import { codeOf, FreshetError } from '../domain/errors.ts';
import type { Colours } from './screen.ts';

export interface ErrorOptions {
  readonly colours: Colours;
  /** With the stack and the causes. */
  readonly verbose: boolean;
}

/** What went wrong, where, how to mend it (our messages say all three), then the code to look up or to script against. */
export function describeError(error: unknown, { colours, verbose }: ErrorOptions): string {
  const lines: string[] = [];
  if (error instanceof ConfigError) {
    const [first = '', ...rest] = error.message.split('\n');
    lines.push(`${colours.red('error')} ${first}`, ...rest);
    lines.push(
      colours.dim('  "freshet config check" checks the file again. docs/configuration.md lists every setting.'),
    );
  } else if (error instanceof FreshetError) {
    lines.push(`${colours.red('error')} ${error.message}`);
    const details = Object.entries(error.details).filter(
      // An HTTP status tells a person nothing that the message does not.
      ([name, value]) => name !== 'status' && value !== undefined && value !== null,
    );
    if (details.length > 0)
      lines.push(colours.dim(`  ${details.map(([key, value]) => `${key}=${String(value)}`).join('  ')}`));
  } else {
    lines.push(`${colours.red('error')} Something went wrong that nobody thought of: ${messageOf(error)}`);
    lines.push(colours.dim('  Please report it, with the output of the same command and --verbose.'));
  }
  lines.push(colours.dim(`  code ${codeOf(error)}`));
  if (verbose) lines.push(...stackLines(error));
  return lines.join('\n');
}

/** With --json, errors are one line of JSON on standard error. */
export function errorJson(error: unknown): unknown {
  return {
    error: {
      code: codeOf(error),
      message: messageOf(error),
      ...(error instanceof FreshetError && Object.keys(error.details).length > 0 ? { details: error.details } : {}),
      ...(error instanceof ConfigError
        ? { problems: error.problems.map((each) => ({ ...each, text: formatProblem(each) })) }
        : {}),
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stackLines(error: unknown): string[] {
  const lines: string[] = [];
  for (let current = error, depth = 0; current !== undefined && depth < 5; depth++) {
    const heading = depth === 0 ? '' : 'caused by: ';
    lines.push('', `${heading}${current instanceof Error ? (current.stack ?? current.message) : String(current)}`);
    current = current instanceof Error ? current.cause : undefined;
  }
  return lines;
}
