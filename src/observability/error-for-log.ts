import { FreshetError } from '../domain/errors.ts';

export interface LoggedError {
  readonly name: string;
  readonly code?: string;
  readonly kind?: string;
  readonly message?: string;
  readonly details?: object;
  /** Frames only: the first lines of a stack are the message again. */
  readonly frames?: readonly string[];
  readonly cause?: LoggedError;
}

const FRAMES_MAX = 12;
const CAUSES_MAX = 4;

/**
 * An error as it may be logged (invariant 6). Our own messages hold no text of documents; those of libraries may (a database quotes the
 * row, a parser the input), so of them only name, code and where they came from are kept.
 */
export function errorForLog(error: unknown, causesLeft: number = CAUSES_MAX): LoggedError {
  if (!(error instanceof Error)) return { name: typeof error };
  const code =
    'code' in error && (typeof error.code === 'string' || typeof error.code === 'number')
      ? String(error.code)
      : undefined;
  const own = error instanceof FreshetError ? { kind: error.kind, message: error.message, details: error.details } : {};
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    ...own,
    frames: framesOf(error.stack),
    ...(error.cause === undefined || causesLeft === 0 ? {} : { cause: errorForLog(error.cause, causesLeft - 1) }),
  };
}

function framesOf(stack: string | undefined): readonly string[] {
  const frame = /^ {4}at .+(?::\d+:\d+\)?|\(native\)|<anonymous>\)?)$/u;
  return (stack ?? '')
    .split('\n')
    .filter((line) => frame.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim());
}
