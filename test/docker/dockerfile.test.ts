import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { repositoryPath, services, text } from './compose.ts';

const lines = text('docker/Dockerfile')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'));
const instructions = lines.map((line) => {
  const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
  return { name, rest };
});
const stages = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' AS ')[1]);
const copies = instructions.filter(({ name }) => name === 'COPY').map(({ rest }) => rest);

describe('docker/Dockerfile', () => {
  it('has the targets that are built', () => {
    const targets = services.flatMap(([, { build }]) => (build === undefined ? [] : [build.target]));
    expect(stages).toEqual(expect.arrayContaining([...targets, 'cpu', 'cuda']));
    // A build without a target makes the last one.
    expect(stages.at(-1)).toBe('cpu');
  });

  it('pins its base images to versions', () => {
    const bases = instructions.filter(({ name }) => name === 'ARG').map(({ rest }) => rest.split('=')[1]);
    for (const base of bases) expect(base).toMatch(/^[\w./-]+:\d+\.\d+\.\d+-[\w.-]+$/);
    expect(bases.length).toBeGreaterThan(0);
  });

  it('copies what is in the repository, and .dockerignore lets all of it through', () => {
    const allowed = text('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = copies
      .filter((copy) => !copy.startsWith('--from='))
      .flatMap((copy) => copy.split(' ').slice(0, -1));
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) {
      expect(existsSync(repositoryPath(source)), source).toBe(true);
      expect(
        allowed.some((path) => source === path || source.startsWith(`${path}/`)),
        source,
      ).toBe(true);
    }
  });

  it('copies from stages that came before', () => {
    for (const copy of copies.filter((each) => each.startsWith('--from='))) {
      expect(stages).toContain(/^--from=(\S+)/.exec(copy)?.[1]);
    }
  });

  it('runs scripts that package.json has', () => {
    const { scripts } = JSON.parse(text('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
    const used = [...text('docker/Dockerfile').matchAll(/npm run (\S+)/g)].map(([, name]) => name as string);
    for (const name of used) expect(Object.keys(scripts)).toContain(name);
  });

  it.each(['cpu', 'cuda'])(
    '%s runs as nobody in particular, is watched, and asks the readiness of the instance',
    (stage) => {
      const from = instructions.findIndex(({ name, rest }) => name === 'FROM' && rest.endsWith(` AS ${stage}`));
      const after = instructions.slice(from + 1);
      const end = after.findIndex(({ name }) => name === 'FROM');
      const own = end < 0 ? after : after.slice(0, end);
      const last = (name: string): string | undefined => own.findLast((instruction) => instruction.name === name)?.rest;
      expect(last('USER')).toBe('1000:1000');
      expect(last('HEALTHCHECK')).toContain('/readyz');
      expect(last('ENTRYPOINT')).toBe('["node", "/app/bin/freshet.js"]');
    },
  );

  it('installs for production what the build does not need, and without scripts', () => {
    const installs = [...text('docker/Dockerfile').matchAll(/npm ci[^&\n\\]*/g)].map(([command]) => command.trim());
    expect(installs).toEqual(['npm ci --ignore-scripts', 'npm ci --omit=dev --ignore-scripts']);
  });
});
