/**
 * Installs what the integration suite runs against, from Debian's packages, and runs it. A step that cannot run fails; nothing is skipped.
 *
 *     npm run test:integration
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Component {
  readonly name: string;
  readonly packages: readonly string[];
  readonly present: () => boolean;
}

const DEBIAN_PORT = 54_815;
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
  if (status !== 0) throw new Error(`${command} failed (${error?.message ?? `exit code ${status}`}).`);
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

/** A throw-away server of Debian's PostgreSQL on loopback, for as long as `use` runs. PostgreSQL refuses to run as root. */
function withDebianPostgres(bin: string, use: (url: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'freshet-debian-pg-'));
  const asRoot = process.getuid?.() === 0;
  const as = (args: readonly string[]): readonly [string, readonly string[]] =>
    asRoot ? ['runuser', ['-u', 'postgres', '--', ...args]] : [args[0] as string, args.slice(1)];
  if (asRoot) run('chown', ['postgres', folder]);
  chmodSync(folder, 0o755);
  const data = join(folder, 'data');
  run(
    ...as([
      join(bin, 'initdb'),
      '-D',
      data,
      '-U',
      'freshet',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale',
      'C',
      '--no-sync',
    ]),
  );
  const settings = `-c port=${DEBIAN_PORT} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c wal_level=logical -c max_replication_slots=50 -c max_wal_senders=50`;
  const control = (...args: readonly string[]): void =>
    run(...as([join(bin, 'pg_ctl'), '-D', data, '-w', '-l', join(folder, 'log'), ...args]));
  control('-o', settings, 'start');
  try {
    use(`postgres://freshet:unused@127.0.0.1:${DEBIAN_PORT}/postgres`);
  } finally {
    control('-m', 'immediate', 'stop');
    rmSync(folder, { recursive: true, force: true });
  }
}

const missing = COMPONENTS.filter((component) => !component.present());
if (missing.length > 0) install(missing);

const vitest = join('node_modules', '.bin', 'vitest');
run(vitest, ['run', '--project', 'integration']);
// What runs against the embedded PostgreSQL 18 in the fast suite, against Debian's older one. Tests that restart their server bring their own.
withDebianPostgres(postgresBin() as string, (url) => {
  const suites = ['stream', 'epochs', 'snapshot-and-tokens', 'contract', 'setup-errors'];
  const files = suites.map((suite) => `test/connectors/postgres/${suite}.test.ts`);
  run(vitest, ['run', '--project', 'fast', '--no-file-parallelism', ...files], { FRESHET_TEST_POSTGRES: url });
});
