import { codeOf, kindOf } from '../domain/errors.ts';

/** What a script can rely on. Documented in docs/cli.md and in `freshet --help`. */
export const EXIT = {
  ok: 0,
  /** The command failed, or found what it was to find: differences, failed checks, an instance that is not ready. */
  problem: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The instance cannot be reached, or another process holds the data folder. */
  unreachable: 3,
  /** Ctrl-C or SIGTERM before the command was done (128 + SIGINT). */
  interrupted: 130,
} as const;

const USAGE = /^(CONFIG_|USAGE_|API_KEY_)/;
const UNREACHABLE = /^(INSTANCE_|DATA_DIR_)/;

export function exitCodeOf(error: unknown): number {
  const code = codeOf(error);
  if (kindOf(error) === 'aborted') return EXIT.interrupted;
  if (USAGE.test(code)) return EXIT.usage;
  return UNREACHABLE.test(code) ? EXIT.unreachable : EXIT.problem;
}
