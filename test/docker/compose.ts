import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly entrypoint?: readonly string[];
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly configs: Readonly<Record<string, unknown>>;
}

export const repositoryPath = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
export const text = (path: string): string => readFileSync(repositoryPath(path), 'utf8');
export const compose = parse(text('docker/compose.yaml'), { merge: true }) as Compose;
export const services = Object.entries(compose.services);

/** `${NAME}` and `${NAME:-default}`; `$${…}` is text. */
export function references(
  source: string,
): readonly { readonly name: string; readonly fallback: string | undefined }[] {
  return [...source.matchAll(/(?<!\$)\$\{([A-Z_]+)(?::-([^}]*))?\}/g)].map(([, name, fallback]) => ({
    name: name as string,
    fallback,
  }));
}
