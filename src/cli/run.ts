import { CommanderError } from 'commander';
import { kindOf } from '../domain/errors.ts';
import { buildCli } from './cli.ts';
import type { CliDeps } from './deps.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { describeError, errorJson } from './print-error.ts';
import { createScreen } from './screen.ts';

/**
 * Runs one command line (`argv` without node and script) and resolves to its exit code. Never throws: what goes wrong is printed to
 * standard error, as one line of JSON with --json.
 */
export async function runCli(deps: CliDeps, argv: readonly string[]): Promise<number> {
  const outcome = { exitCode: EXIT.ok as number };
  const program = buildCli(deps, outcome);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return outcome.exitCode;
  } catch (error) {
    // Commander has printed help, version or what is wrong with the line itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { json, verbose } = program.opts<{ json?: boolean; verbose?: boolean }>();
    const screen = createScreen(deps);
    if (deps.signal.aborted && kindOf(error) === 'aborted') {
      if (json !== true) screen.note(screen.err.dim('Interrupted.'));
      return EXIT.interrupted;
    }
    const isVerbose = verbose === true || (deps.env.FRESHET_DEBUG ?? '') !== '';
    if (json === true) deps.stderr.write(`${JSON.stringify(errorJson(error))}\n`);
    else screen.note(describeError(error, { colours: screen.err, verbose: isVerbose }));
    return exitCodeOf(error);
  }
}
