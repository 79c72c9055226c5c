import { openFreshet, type Freshet, type OpenOptions } from '../../src/composition/open.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createRecordingObserver } from './recording-observer.ts';

/** An instance in this process, without a server, that says nothing. */
export function openInProcess(
  folder: string,
  settings: Readonly<Record<string, unknown>>,
  more: Partial<OpenOptions> = {},
): Promise<Freshet> {
  const { config } = loadConfig({
    file: false,
    cwd: folder,
    env: {},
    overrides: { dataDir: `${folder}/data`, embedder: { engine: 'hashing' }, ...settings },
  });
  return openFreshet({
    config,
    demo: false,
    env: {},
    signal: new AbortController().signal,
    ui: {
      logger: createLogger({ level: 'fatal', format: 'json' }),
      modelProgress: () => undefined,
      indexProgress: () => undefined,
      observer: createRecordingObserver(),
      say: () => undefined,
    },
    ...more,
  });
}
