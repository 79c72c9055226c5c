import { createHmac } from 'node:crypto';
import type { FreshetConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { DataKeys } from './keys.ts';
import { PUSH_SOURCE } from './sources.ts';

/** Which data folder's pushed documents an index holds: `{owner}`, kept beside the positions of the sources. */
const PUSH_OWNER = 'push owner';

/**
 * Pushed documents are in one data folder only, and an index is fed from one such log: with two, each would take the other's position for
 * its own. So the first instance that feeds an index and accepts pushes owns them.
 * @returns whether this instance reads its log into the index
 * @throws fatal PUSHES_OWNED_ELSEWHERE
 */
export async function ownsPushes(
  index: Checkpoints,
  mode: FreshetConfig['server']['pushes'],
  keys: Pick<DataKeys, 'seal'>,
): Promise<boolean> {
  if (mode === 'refuse') return false;
  const ours = createHmac('sha256', keys.seal).update(PUSH_OWNER).digest('hex').slice(0, 32);
  const stored = (await index.load(PUSH_OWNER)) as { readonly owner?: string } | undefined;
  if (stored?.owner === ours) return true;
  if (stored?.owner === undefined || mode === 'take-over') {
    // The position was one of the other's log; ours is read from its beginning.
    if (stored?.owner !== undefined) await index.save(PUSH_SOURCE, null);
    await index.save(PUSH_OWNER, { owner: ours });
    return true;
  }
  throw new FreshetError(
    'PUSHES_OWNED_ELSEWHERE',
    'fatal',
    'Documents are pushed to another instance of this index, which keeps them in its data folder. Set "server.pushes: refuse" here; or, if that ' +
      'folder is gone for good, "server.pushes: take-over", and push its documents again.',
  );
}
