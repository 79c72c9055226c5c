import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { copyBinaries } from '../../../connectors/embedded-postgres/binaries.ts';

it('a copy of the binaries has all its libraries when the installed ones cannot be reached, with install scripts run or not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'freshet-binaries-'));
  try {
    const native = join(folder, 'native');
    await mkdir(join(native, 'lib'), { recursive: true });
    await writeFile(join(native, 'lib', 'libone.so.1.2'), 'one');
    await symlink('libone.so.1.2', join(native, 'lib', 'libone.so.1'));
    await writeFile(join(native, 'lib', 'libtwo.so.3.4'), 'two');
    await writeFile(join(native, 'lib', 'libtwo.a'), 'static');
    const unmade = { source: 'native/lib/libtwo.so.3.4', target: 'native/lib/libtwo.so.3' };
    const made = { source: 'native/lib/libone.so.1.2', target: 'native/lib/libone.so.1' };
    await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify([made, unmade]));

    const copy = join(folder, 'copy');
    await copyBinaries(native, copy);
    await rm(native, { recursive: true });

    expect(await readFile(join(copy, 'lib', 'libone.so.1'), 'utf8')).toBe('one');
    expect(await readFile(join(copy, 'lib', 'libtwo.so.3'), 'utf8')).toBe('two');
    await expect(readFile(join(copy, 'lib', 'libtwo.a'))).rejects.toThrow('ENOENT');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
