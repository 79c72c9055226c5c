import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(ROOT, path)).isDirectory())
      return name === 'node_modules' || name === 'dist' ? [] : sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

/** `type` imports count for the layers, but not for cycles: they vanish when compiled. */
function importsOf(file: string): { readonly target: string; readonly typeOnly: boolean }[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found = text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+'(\.[^']+)';|^import\s+'(\.[^']+)';/gms);
  return [...found].map(([, typeOnly, named, bare]) => ({
    target: normalize(relative(ROOT, join(ROOT, dirname(file), (named ?? bare) as string))).replaceAll('\\', '/'),
    typeOnly: typeOnly !== undefined,
  }));
}

const FILES = [...sources('src'), ...sources('connectors')];

/** The layer of a file: `src/domain/…` is `domain`, `connectors/kafka/…` is `connectors/kafka`, `src/main.ts` is `main.ts`. */
function layerOf(file: string): string {
  const [top, second] = file.split('/');
  return top === 'connectors' ? `connectors/${second}` : (second ?? '');
}

/** domain ← ports ← { ingest, services, api }; connectors see domain, ports, runtime; only the composition root sees connectors. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  ports: ['domain'],
  runtime: ['domain', 'ports', 'observability'],
  redaction: ['domain', 'ports'],
  observability: ['domain', 'ports', 'services'],
  ingest: ['domain', 'ports', 'runtime', 'observability'],
  services: ['domain', 'ports', 'runtime', 'ingest', 'observability'],
  config: ['domain'],
  web: ['domain'],
  api: ['domain', 'ports', 'services', 'observability', 'web'],
  // Its remote side speaks the API's own wire format.
  cli: ['domain', 'ports', 'services', 'config', 'observability', 'api'],
};
const CONNECTOR_ALLOWED = ['domain', 'ports', 'runtime', 'observability'];
const ROOT_LAYERS = new Set(['main.ts', 'composition']);

describe('the architecture', () => {
  it('lets every layer import only the layers below it', () => {
    const broken = FILES.flatMap((file) => {
      const layer = layerOf(file);
      if (ROOT_LAYERS.has(layer)) return [];
      const allowed = layer.startsWith('connectors/') ? CONNECTOR_ALLOWED : ALLOWED[layer];
      return importsOf(file)
        .map(({ target }) => ({ target, to: layerOf(target) }))
        .filter(({ to }) => to !== layer && allowed?.includes(to) !== true)
        .map(({ target }) => `${file} → ${target}`);
    });
    expect(broken).toEqual([]);
  });

  it('reads the process’s environment and arguments only in the composition root', () => {
    const readers = FILES.filter(
      (file) =>
        !ROOT_LAYERS.has(layerOf(file)) &&
        /\bprocess\.(env|argv)\b/.test(withoutComments(readFileSync(join(ROOT, file), 'utf8'))),
    );
    expect(readers).toEqual([]);
  });

  it('keeps debezium-ts-types a package that stands alone', () => {
    const strangers = FILES.filter((file) => file.startsWith('connectors/debezium-ts-types/')).flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/\bfrom '([^']+)'/g)]
        .map(([, target]) => target as string)
        .filter((target) => target !== 'zod' && !target.startsWith('node:') && !/^\.\/[\w-]+\.ts$/.test(target))
        .map((target) => `${file} → ${target}`),
    );
    expect(strangers).toEqual([]);
  });

  it('has no cycles', () => {
    const graph = new Map(
      FILES.map((file) => [
        file,
        importsOf(file)
          .filter((one) => !one.typeOnly)
          .map((one) => one.target),
      ]),
    );
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of FILES) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

const withoutComments = (text: string): string => text.replace(/\/\*.*?\*\//gs, '').replace(/\/\/.*$/gm, '');
