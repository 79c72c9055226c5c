import { Document, isMap, isScalar, isSeq, type Node } from 'yaml';
import { ConfigError, formatProblem, type LoadedConfig, maskSecrets } from '../../config/index.ts';
import { configSchema } from '../../config/schema.ts';
import { type FieldMeta, metaOf, schemasAt } from '../../config/schema-walk.ts';
import { formatBytes, formatDuration } from '../../config/units.ts';
import type { Context, GlobalOptions } from '../context.ts';
import { examples, handle, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';
import { plural } from '../format.ts';

async function check(context: Context<GlobalOptions>): Promise<number> {
  const { screen } = context;
  let loaded: LoadedConfig;
  try {
    loaded = context.load();
  } catch (error) {
    if (!context.json || !(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((problem) => ({ ...problem, text: formatProblem(problem) }));
    screen.printJson({ valid: false, file: error.details.file ?? null, problems });
    return EXIT.usage;
  }
  const shown = maskSecrets(loaded.config);
  if (context.json) {
    screen.printJson({ valid: true, file: loaded.file ?? null, config: shown });
    return EXIT.ok;
  }
  screen.print(resolvedYaml(shown, loaded.originOf).trimEnd());
  const sources = plural(Object.keys(loaded.config.sources).length, 'source');
  const file = loaded.file ?? 'no file: this is what the demo runs with';
  screen.note(`${screen.err.green('valid')} ${file} ${screen.err.dim(`(${sources})`)}`);
  return EXIT.ok;
}

/** The configuration as a file that says where each value came from, unless that is the file or a default. */
function resolvedYaml(config: unknown, originOf: LoadedConfig['originOf']): string {
  const document = new Document(config);
  const walk = (node: Node | null | undefined, path: readonly (string | number)[]): void => {
    if (isMap(node)) {
      for (const pair of node.items)
        walk(pair.value as Node | null, [...path, isScalar(pair.key) ? String(pair.key.value) : String(pair.key)]);
    } else if (isSeq(node)) {
      node.items.forEach((item, at) => walk(item as Node | null, [...path, at]));
    } else if (isScalar(node)) {
      node.value = readable(node.value, schemasAt(configSchema, config, path).map(metaOf));
      const origin = originOf(path);
      if (origin !== 'file' && origin !== 'default') node.comment = ` ${origin}`;
    }
  };
  walk(document.contents, []);
  return document.toString({ lineWidth: 0 });
}

/** Durations and sizes as people write them. */
function readable(value: unknown, fields: readonly FieldMeta[]): unknown {
  const unit = fields.find((field) => field.unit !== undefined)?.unit;
  if (typeof value !== 'number' || unit === undefined) return value;
  return unit === 'duration' ? formatDuration(value) : formatBytes(value);
}

export const registerConfig: Register = (program, deps, outcome) => {
  const config = program.command('config').description('the configuration');
  examples(config, ['freshet config check', 'is it right, and what does it come to?']);
  const checkCommand = config
    .command('check')
    .description('check the configuration and print what it comes to, secrets masked')
    .addHelpText('after', '\nExits 2 and names every problem, with its line and the way to mend it, if it is wrong.');
  examples(
    checkCommand,
    ['freshet config check', './freshet.yaml, the environment and the flags together'],
    ['freshet config check --config prod.yaml --json', '{"valid":true,"file":…,"config":{…}}'],
  );
  handle<GlobalOptions>(checkCommand, deps, outcome, check);
};
