import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Starts a worker from one module. */
export type StartWorker = (options: Pick<WorkerOptions, 'workerData'>) => Worker;

/**
 * Starts `name` (a module without its extension) beside the module whose `import.meta.url` is given: built JavaScript as it is, and
 * TypeScript sources (tests, scripts) through tsx. Node 20 ignores tsx as an `--import` of a worker, so a line of code registers it.
 */
export function workerModule(name: string, besideUrl: string): StartWorker {
  if (!besideUrl.endsWith('.ts')) return (options) => new Worker(new URL(`./${name}.js`, besideUrl), options);
  const tsx = pathToFileURL(createRequire(besideUrl).resolve('tsx/esm/api')).href;
  const module = new URL(`./${name}.ts`, besideUrl).href;
  const code = `import(${JSON.stringify(tsx)}).then((tsx) => { tsx.register(); return import(${JSON.stringify(module)}); });`;
  return (options) => new Worker(code, { ...options, eval: true });
}
