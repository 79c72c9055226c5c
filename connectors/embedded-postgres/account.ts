import { execFileSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FreshetError } from '../../src/domain/errors.ts';

/** The user the server runs as. Undefined: the user we are. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

async function accountNamed(name: string): Promise<Account | undefined> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([user]) => user === name);
  if (fields === undefined) return undefined;
  return { name, uid: Number(fields[2]), gid: Number(fields[3]) };
}

/**
 * PostgreSQL refuses to run as root, so root lends it another account: `postgres` where there is one, a new system account of that name
 * where one can be made, `nobody` otherwise.
 */
export async function serverAccount(log: (line: string) => void): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await accountNamed('postgres');
  if (existing !== undefined) return existing;
  try {
    execFileSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'],
      {
        stdio: 'ignore',
      },
    );
    log('Made the system account "postgres": PostgreSQL does not run as root.');
  } catch {
    log('PostgreSQL does not run as root and no account could be made for it; it runs as "nobody".');
  }
  const account = (await accountNamed('postgres')) ?? (await accountNamed('nobody'));
  if (account === undefined) {
    throw new FreshetError(
      'POSTGRES_NO_ACCOUNT',
      'fatal',
      'PostgreSQL does not run as root, and there is neither a "postgres" nor a "nobody" account. Run Freshet as a normal user.',
    );
  }
  return account;
}

/** Whether the account may walk down to (and into) a folder: every folder on the way must be searchable for it. */
export async function canReach(path: string, account: Account | undefined): Promise<boolean> {
  if (account === undefined) return true;
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const entry = await stat(folder).catch(() => undefined);
    if (entry !== undefined) {
      const shift = entry.uid === account.uid ? 6 : entry.gid === account.gid ? 3 : 0;
      if (((entry.mode >> shift) & 0o1) === 0) return false;
    }
    if (folder === dirname(folder)) return true;
  }
}
