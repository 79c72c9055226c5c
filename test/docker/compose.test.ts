import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { compose, references, repositoryPath, services, text, type Service } from './compose.ts';

const KEYS = [
  'build',
  'cap_drop',
  'command',
  'configs',
  'depends_on',
  'deploy',
  'entrypoint',
  'environment',
  'healthcheck',
  'image',
  'ports',
  'profiles',
  'read_only',
  'restart',
  'security_opt',
  'stop_grace_period',
  'tmpfs',
  'volumes',
];

/** Images of our own bring their healthcheck with them. */
const isWatched = (service: Service): boolean => service.healthcheck !== undefined || service.build !== undefined;

describe('docker/compose.yaml', () => {
  it.each(services)('%s uses keys of the specification only', (_name, service) => {
    expect(Object.keys(service).filter((key) => !KEYS.includes(key))).toEqual([]);
  });

  it.each(services)('%s pins its image to a version', (_name, { image, build }) => {
    if (build !== undefined) return;
    expect(image).toMatch(/^[\w./-]+:v?\d+\.\d+[\w.-]*$/);
  });

  it.each(services)('%s says when it is healthy, unless it runs once', (_name, service) => {
    expect(isWatched(service) || service.restart === 'no').toBe(true);
  });

  it.each(services)('%s depends on services that start with it and can fulfil the condition', (_name, service) => {
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = compose.services[name];
      expect(other, name).toBeDefined();
      expect(
        (other?.profiles ?? []).every((profile) => service.profiles?.includes(profile)),
        name,
      ).toBe(true);
      if (condition === 'service_healthy') expect(other && isWatched(other), name).toBe(true);
      else expect([condition, other?.restart]).toEqual(['service_completed_successfully', 'no']);
    }
  });

  it.each(services)('%s is published on loopback only', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it.each(services)('%s mounts what is there', (_name, { volumes = [], configs = [] }) => {
    for (const volume of volumes) {
      const [from = ''] = volume.split(':');
      if (from.startsWith('.')) expect(existsSync(join(repositoryPath('docker'), from)), from).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(from);
    }
    for (const { source } of configs) expect(Object.keys(compose.configs)).toContain(source);
  });

  it('declares no volume that nobody mounts', () => {
    const mounted = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]));
    expect(Object.keys(compose.volumes).filter((name) => !mounted.includes(name))).toEqual([]);
  });

  it('publishes no port twice', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []).map((port) => port.split(':')[1]);
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('starts without a file of secrets, and .env.example names every secret there is', () => {
    const used = references(text('docker/compose.yaml'));
    expect(used.filter(({ fallback }) => fallback === undefined || fallback === '')).toEqual([]);
    const offered = [...text('docker/.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(new Set(offered)).toEqual(new Set(used.map(({ name }) => name)));
  });

  it.each(['freshet', 'freshet-2'])(
    '%s is given every variable its configuration refers to, and it is valid',
    (name) => {
      const file = text('docker/freshet.yaml');
      const env = Object.fromEntries(
        Object.entries(compose.services[name]?.environment ?? {}).map(([key, value]) => [
          key,
          String(value).replace(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1'),
        ]),
      );
      for (const { name: variable } of references(file)) expect(Object.keys(env)).toContain(variable);
      const { config } = loadConfig({ cwd: '/etc/freshet', env, readFile: () => file });
      expect(config.index.engine).toBe('qdrant');
      expect(Object.values(config.sources).map(({ type }) => type)).toEqual(['kafka']);
    },
  );

  it('gives an instance longer to stop than it takes', () => {
    const { config } = loadConfig({ cwd: '/', env: {}, readFile: () => undefined });
    const grace = /stop_grace_period: (\d+)s/.exec(text('docker/compose.yaml'))?.[1];
    expect(Number(grace) * 1_000).toBeGreaterThan(config.shutdown.deadline);
  });
});
