import { FreshetError } from '../../src/domain/errors.ts';
import type { QdrantCalls } from './client.ts';

const OLDEST = [1, 19] as const;

/**
 * Below 1.19 a replayed log could bring points back that a filter had deleted, and 1.16 to 1.18 differ in what a guarded write does.
 * A version that is no version (a development build) is taken for new.
 */
export async function checkServer(calls: QdrantCalls, signal: AbortSignal): Promise<void> {
  const version = await calls.version(signal);
  const numbers = /^v?(\d+)\.(\d+)/.exec(version);
  if (numbers === null) return;
  const [major, minor] = [Number(numbers[1]), Number(numbers[2])];
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  const found = `${major}.${minor}`;
  throw new FreshetError(
    'INDEX_SERVER_OLD',
    'fatal',
    `The Qdrant server has version ${found}; Freshet needs ${OLDEST.join('.')} or newer, where a guarded delete survives a restart of the server. Upgrade it one minor version at a time.`,
    { details: { found, needed: OLDEST.join('.') } },
  );
}
