import { inspectQdrant } from '../../connectors/qdrant/inspect.ts';
import type { DoctorCheck } from '../cli/deps.ts';
import type { FreshetConfig, QdrantIndexConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';
import { catalogueOptions } from './qdrant-home.ts';

export function indexChecks({ index }: FreshetConfig): readonly DoctorCheck[] {
  return index.engine === 'qdrant' ? [{ name: 'index', run: (signal) => qdrantCheck(index, signal) }] : [];
}

async function qdrantCheck(config: QdrantIndexConfig, signal: AbortSignal): ReturnType<DoctorCheck['run']> {
  try {
    const options = catalogueOptions(config, () => undefined);
    const { version, collections } = await inspectQdrant(options, config.collection, signal);
    const red = collections.filter(({ status }) => status === 'red');
    if (red.length > 0) {
      return {
        status: 'fail',
        detail: `Qdrant ${version}: ${red.map(({ name }) => name).join(', ')} reports an error (status red)`,
        mend: 'Look at the log of the server: usually its disk is full.',
      };
    }
    const held = collections.map(({ name, points }) => `${name} (${points} points)`).join(', ');
    return { status: 'ok', detail: `Qdrant ${version}, ${held === '' ? 'no collection yet' : held}` };
  } catch (error) {
    if (!(error instanceof FreshetError)) throw error;
    return { status: 'fail', detail: `${error.message} (${error.code})`, mend: 'Check index.url and index.apiKey.' };
  }
}
