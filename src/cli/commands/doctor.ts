import type { LoadedConfig } from '../../config/index.ts';
import { codeOf, throwIfAborted } from '../../domain/errors.ts';
import { runOptions, type Context, type GlobalOptions } from '../context.ts';
import type { CheckResult, DoctorCheck } from '../deps.ts';
import { examples, handle, type Register } from '../define.ts';
import { dataDirCheck, nodeCheck, portCheck, spaceCheck } from '../doctor-checks.ts';
import { EXIT } from '../exit-codes.ts';
import { plural } from '../format.ts';
import { findInstance } from '../instance.ts';
import type { Screen } from '../screen.ts';

type Finding = CheckResult & { readonly name: string };

async function doctor(context: Context<GlobalOptions>): Promise<number> {
  const { deps, screen } = context;
  const findings: Finding[] = [];
  const report = (finding: Finding): void => {
    findings.push(finding);
    if (!context.json) screen.print(findingText(finding, screen));
  };
  for (const check of await checksOf(context, report)) {
    throwIfAborted(deps.signal);
    report(await examine(check, deps.signal));
  }
  const failed = findings.filter((finding) => finding.status === 'fail').length;
  if (context.json) screen.printJson({ ok: failed === 0, checks: findings });
  else
    screen.print(
      failed === 0
        ? screen.out.green('\nNothing stands in the way.')
        : screen.out.red(`\n${plural(failed, 'check')} failed.`),
    );
  return failed === 0 ? EXIT.ok : EXIT.problem;
}

/** Without a configuration there is nothing more to check. */
async function checksOf(
  context: Context<GlobalOptions>,
  report: (finding: Finding) => void,
): Promise<readonly DoctorCheck[]> {
  const { deps } = context;
  report(await examine(nodeCheck(deps.nodeVersion), deps.signal));
  let loaded: LoadedConfig;
  try {
    loaded = context.load();
  } catch (error) {
    report({
      name: 'configuration',
      status: 'fail',
      detail: messageOf(error),
      mend: 'Mend it, then run freshet doctor again for the rest.',
    });
    return [];
  }
  const { config, file } = loaded;
  const sources = plural(Object.keys(config.sources).length, 'source');
  report({
    name: 'configuration',
    status: 'ok',
    detail: file === undefined ? 'no file: the demo' : `${file} (${sources})`,
  });
  const instance = await findInstance(config.dataDir, deps.fetch, deps.signal).catch((error: unknown) => {
    report({ name: 'instance', status: 'fail', detail: messageOf(error) });
    return undefined;
  });
  if (instance !== undefined)
    report({ name: 'instance', status: 'ok', detail: `running at ${instance.api} (process ${instance.pid})` });
  return [
    dataDirCheck(config.dataDir),
    spaceCheck(config.dataDir),
    portCheck(config, instance),
    ...deps.doctorChecks(config, runOptions(loaded)),
  ];
}

async function examine(check: DoctorCheck, signal: AbortSignal): Promise<Finding> {
  try {
    return { name: check.name, ...(await check.run(signal)) };
  } catch (error) {
    return { name: check.name, status: 'fail', detail: `${messageOf(error)} (${codeOf(error)})` };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function findingText({ name, status, detail, mend }: Finding, { out }: Screen): string {
  const mark = { ok: out.green('ok  '), warn: out.yellow('warn'), fail: out.red('fail') }[status];
  const todo = mend === undefined ? '' : `\n     ${' '.repeat(16)} ${out.bold(mend)}`;
  return `${mark} ${name.padEnd(16)} ${detail}${todo}`;
}

export const registerDoctor: Register = (program, deps, outcome) => {
  const command = program
    .command('doctor')
    .description('check this machine, the configuration, the model and the databases, and say what to do')
    .addHelpText('after', '\nIt only looks and changes nothing. Exits 1 if a check fails.');
  examples(command, ['freshet doctor', 'everything'], ['freshet doctor --json', '{"ok":true,"checks":[…]}']);
  handle<GlobalOptions>(command, deps, outcome, doctor);
};
