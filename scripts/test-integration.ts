/**
 * Installs what the integration suite runs against, from Debian's packages, and runs it. A step that cannot run fails; nothing is skipped.
 * What comes from Maven Central and PyPI is fetched by the stack (scripts/stack) when it is first started.
 *
 *     npm run test:integration
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres } from './stack/index.ts';
import { DEBIAN_PACKAGES, debianPostgresBin } from './stack/tools.ts';

interface Component {
  readonly name: string;
  readonly packages: readonly string[];
  readonly present: () => boolean;
}

const answers = (command: string, ...args: readonly string[]): boolean => spawnSync(command, args).status === 0;

const COMPONENTS: readonly Component[] = [
  { name: 'Chromium', packages: ['chromium'], present: () => existsSync('/usr/bin/chromium') },
  { name: 'PostgreSQL', packages: [DEBIAN_PACKAGES.postgres], present: () => debianPostgresBin() !== undefined },
  { name: 'Java', packages: [DEBIAN_PACKAGES.java], present: () => answers('java', '-version') },
  { name: 'Maven', packages: [DEBIAN_PACKAGES.mvn], present: () => answers('mvn', '-version') },
  { name: 'pip', packages: ['python3-pip'], present: () => answers('python3', '-m', 'pip', '--version') },
  {
    name: 'venv',
    packages: [DEBIAN_PACKAGES.python3],
    present: () => answers('python3', '-c', 'import venv, ensurepip'),
  },
];

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  console.log(`\n> ${[...Object.entries(env).map(([name, value]) => `${name}=${value}`), command, ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${command} failed (${error?.message ?? `exit code ${status}`}).`);
}

function install(missing: readonly Component[]): void {
  console.log(`Installing ${missing.map(({ name }) => name).join(', ')} from Debian's packages.`);
  if (!answers('apt-get', '--version') || process.getuid?.() !== 0) {
    console.error(
      `The integration suite needs ${missing.map(({ name }) => name).join(', ')}, and only root on a Debian machine can install them here. ` +
        `Install by hand: ${missing.flatMap(({ packages }) => packages).join(' ')}.`,
    );
    process.exit(1);
  }
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], quiet);
  run(
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', ...missing.flatMap(({ packages }) => packages)],
    quiet,
  );
  const still = missing.filter((component) => !component.present());
  if (still.length === 0) return;
  console.error(`Installed, and still not there: ${still.map(({ name }) => name).join(', ')}.`);
  process.exit(1);
}

const missing = COMPONENTS.filter((component) => !component.present());
if (missing.length > 0) install(missing);

const vitest = join('node_modules', '.bin', 'vitest');
run(vitest, ['run', '--project', 'integration']);

// What runs against the embedded PostgreSQL 18 in the fast suite, against Debian's older one. Tests that restart their server bring their own.
const suites = ['stream', 'epochs', 'snapshot-and-tokens', 'contract', 'setup-errors'];
const files = suites.map((suite) => `test/connectors/postgres/${suite}.test.ts`);
const postgres = await startPostgres();
try {
  run(vitest, ['run', '--project', 'fast', '--no-file-parallelism', ...files], { FRESHET_TEST_POSTGRES: postgres.url });
} finally {
  await postgres[Symbol.asyncDispose]();
}
