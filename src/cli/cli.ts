import { Command } from 'commander';
import { registerConfig } from './commands/config.ts';
import { registerDlq } from './commands/dlq.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerIndexes } from './commands/indexes.ts';
import { registerMaintenance } from './commands/maintain.ts';
import { registerSearch } from './commands/search.ts';
import { registerStart } from './commands/start.ts';
import { registerStatus } from './commands/status.ts';
import { type Outcome, type Register, examples } from './define.ts';
import type { CliDeps } from './deps.ts';
import { createScreen, hasColours } from './screen.ts';

const COMMANDS: readonly Register[] = [
  registerStart,
  registerSearch,
  registerStatus,
  registerMaintenance,
  registerDlq,
  registerIndexes,
  registerConfig,
  registerDoctor,
];

const EXIT_CODES = `
Exit codes:
  0    done, and nothing is wrong
  1    failed, or found a problem: differences, a failed check, not ready
  2    the command line or the configuration is wrong
  3    the instance cannot be reached, or another process holds the data folder
  130  interrupted`;

/** The command line as a commander program. `outcome` holds the exit code once the program was parsed. */
export function buildCli(deps: CliDeps, outcome: Outcome = { exitCode: 0 }): Command {
  const { out } = createScreen(deps);
  const program = new Command('freshet')
    .description('A live RAG index: change events in, fresh, redacted, searchable context out.')
    .version(deps.version, '-V, --version', 'print the version')
    .option('-c, --config <file>', 'configuration file (FRESHET_CONFIG; default: ./freshet.yaml)')
    .option('-d, --data-dir <folder>', 'data folder (FRESHET_DATA_DIR; default: .freshet)')
    .option('--model-path <folder>', 'folder that holds the model (FRESHET_MODEL_PATH)')
    .option('--embedder <engine>', '"transformers", or "hashing": words only, no model (FRESHET_EMBEDDER)')
    .option('--json', 'print JSON for programs')
    .option('-v, --verbose', 'print stacks of errors (FRESHET_DEBUG=1)')
    .exitOverride()
    .showHelpAfterError('Try --help.')
    .configureHelp({
      showGlobalOptions: true,
      styleTitle: (title) => out.bold(title),
      styleCommandText: (text) => out.cyan(text),
    })
    .configureOutput({
      writeOut: (text) => void deps.stdout.write(text),
      writeErr: (text) => void deps.stderr.write(text),
      getOutHelpWidth: () => deps.stdout.columns ?? 100,
      getErrHelpWidth: () => deps.stderr.columns ?? 100,
      getOutHasColors: () => hasColours(deps.stdout, deps.env),
      getErrHasColors: () => hasColours(deps.stderr, deps.env),
    });
  for (const register of COMMANDS) register(program, deps, outcome);
  examples(
    program,
    ['freshet start', 'the demo, or what ./freshet.yaml configures'],
    ['freshet search "returns"', 'ask the running instance'],
    ['freshet status', 'how fresh it is'],
    ['freshet verify', 'is the index what the sources say?'],
  );
  return program.addHelpText('after', EXIT_CODES);
}
