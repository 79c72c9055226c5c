/**
 * Installs what the integration suite runs against, from Debian's packages, and runs it. A step that cannot run fails; nothing is skipped.
 *
 *     npm run test:integration
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

interface Component {
  readonly name: string;
  readonly packages: readonly string[];
  readonly present: () => boolean;
}

const POSTGRES_ROOT = '/usr/lib/postgresql';

function postgresBin(): string | undefined {
  const versions = existsSync(POSTGRES_ROOT) ? readdirSync(POSTGRES_ROOT).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.find((version) => existsSync(join(POSTGRES_ROOT, version, 'bin', 'postgres')));
  return found === undefined ? undefined : join(POSTGRES_ROOT, found, 'bin');
}

const COMPONENTS: readonly Component[] = [
  { name: 'Chromium', packages: ['chromium'], present: () => existsSync('/usr/bin/chromium') },
  { name: 'PostgreSQL (Debian’s)', packages: ['postgresql'], present: () => postgresBin() !== undefined },
  {
    name: 'pip',
    packages: ['python3-pip'],
    present: () => spawnSync('python3', ['-m', 'pip', '--version']).status === 0,
  },
];

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  console.log(`\n> ${[...Object.entries(env).map(([name, value]) => `${name}=${value}`), command, ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (status === 0) return;
  console.error(`\n${command} failed (${error?.message ?? `exit code ${status}`}).`);
  process.exit(1);
}

function install(missing: readonly Component[]): void {
  console.log(`Installing ${missing.map(({ name }) => name).join(', ')} from Debian's packages.`);
  if (spawnSync('apt-get', ['--version']).status !== 0 || process.getuid?.() !== 0) {
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
// The same suite that runs against the embedded PostgreSQL 18, against Debian's older one.
run(vitest, ['run', '--project', 'fast', 'test/connectors/postgres'], {
  FRESHET_TEST_POSTGRES_BIN: postgresBin() as string,
});
