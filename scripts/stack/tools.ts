import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StackError } from './error.ts';

const execute = promisify(execFile);
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;

/** What the stack takes from the machine, with the Debian package that brings it. */
export const DEBIAN_PACKAGES = {
  java: 'default-jre-headless',
  mvn: 'maven',
  python3: 'python3-venv',
  tar: 'tar',
  setpriv: 'util-linux',
  postgres: 'postgresql',
} as const;
export type Tool = keyof typeof DEBIAN_PACKAGES;

/** Runs a tool to its end. Its last lines are in the error: they say what to mend. */
export async function runTool(tool: Tool | (string & {}), args: readonly string[], cwd?: string): Promise<string> {
  try {
    const options = { maxBuffer: OUTPUT_BYTES_MAX, encoding: 'utf8' as const, ...(cwd === undefined ? {} : { cwd }) };
    const { stdout } = await execute(tool, args, options);
    return stdout;
  } catch (cause) {
    const { code, stdout, stderr } = cause as NodeJS.ErrnoException & { stdout?: string; stderr?: string };
    if (code === 'ENOENT') throw missing(tool);
    const tail = `${stdout ?? ''}\n${stderr ?? ''}`.trim().split('\n').slice(-15).join('\n');
    throw new StackError(`${tool} ${args.join(' ')} failed (${code}):\n${tail}`, { cause });
  }
}

export function missing(tool: string): StackError {
  const debian = (DEBIAN_PACKAGES as Readonly<Record<string, string>>)[tool];
  const how = debian === undefined ? '' : ` On Debian: apt-get install ${debian}.`;
  return new StackError(`${tool} is needed and not installed.${how}`);
}

const KAFKA_JAVA_MIN = 17;
let checkedJava: Promise<string> | undefined;

/** The machine's Java. Kafka 4 needs 17. */
export function systemJava(): Promise<string> {
  checkedJava ??= (async () => {
    const { stderr } = await execute('java', ['-version']).catch((cause: unknown) => {
      throw (cause as NodeJS.ErrnoException).code === 'ENOENT' ? missing('java') : cause;
    });
    const major = Number(/version "(\d+)/.exec(stderr)?.[1]);
    if (!(major >= KAFKA_JAVA_MIN)) {
      throw new StackError(
        `Kafka needs Java ${KAFKA_JAVA_MIN} or later, and java here is ${major}. On Debian: apt-get install ${DEBIAN_PACKAGES.java}.`,
      );
    }
    return 'java';
  })();
  return checkedJava;
}

const POSTGRES_ROOT = '/usr/lib/postgresql';

/** The folder of the newest PostgreSQL server that Debian's packages installed. */
export function debianPostgresBin(): string | undefined {
  const versions = existsSync(POSTGRES_ROOT) ? readdirSync(POSTGRES_ROOT).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.find((version) => existsSync(join(POSTGRES_ROOT, version, 'bin', 'postgres')));
  return found === undefined ? undefined : join(POSTGRES_ROOT, found, 'bin');
}
