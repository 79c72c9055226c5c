import type { Command } from 'commander';
import { runOptions, type Context, type ServeOptions } from '../context.ts';
import { examples, handle, wholeNumber, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';

function serveOptions(command: Command): Command {
  return command
    .option('--host <host>', 'address to listen on; anything but loopback needs an API key (FRESHET_HOST)')
    .option('--port <port>', 'port to listen on; 0 picks a free one (FRESHET_PORT)', wholeNumber(0, 65_535));
}

async function serve(context: Context<ServeOptions>, demo: boolean): Promise<number> {
  const loaded = demo ? context.loadDemo() : context.load();
  await context.deps.start(loaded.config, runOptions(loaded));
  return EXIT.ok;
}

export const registerStart: Register = (program, deps, outcome) => {
  const start = serveOptions(program.command('start').description('index the configured sources and answer queries'));
  start.addHelpText('after', '\nWithout a configuration file, this is "freshet demo". Ctrl-C stops in good order.');
  examples(
    start,
    ['freshet start', 'with ./freshet.yaml, else the demo'],
    ['freshet start --config prod.yaml --port 8080', 'another file, another port'],
    ['FRESHET_DATA_DIR=/var/lib/freshet freshet start', 'settings from the environment'],
  );
  handle<ServeOptions>(start, deps, outcome, (context) => serve(context, false));

  const demo = serveOptions(
    program.command('demo').description('a handbook in a PostgreSQL of its own, to edit and to search'),
  );
  demo.addHelpText('after', '\nIt reads no configuration file. Beside one, its data folder is .freshet-demo.');
  examples(
    demo,
    ['freshet demo', 'then open the address it prints'],
    ['freshet demo --data-dir /tmp/demo --port 0', 'beside another one'],
    ['freshet demo --embedder hashing', 'without a model'],
  );
  handle<ServeOptions>(demo, deps, outcome, (context) => serve(context, true));
};
