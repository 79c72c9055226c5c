import { createHmac } from 'node:crypto';
import type { FreshetConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';
import type { SharedCheckpoints } from '../ports/checkpoints.ts';
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
  index: SharedCheckpoints,
  mode: FreshetConfig['server']['pushes'],
  keys: Pick<DataKeys, 'seal'>,
): Promise<boolean> {
  if (mode === 'refuse') return false;
  const ours = createHmac('sha256', keys.seal).update(PUSH_OWNER).digest('hex').slice(0, 32);
  const before = ownerOf(await index.load(PUSH_OWNER));
  const takesOver = mode === 'take-over' && before !== undefined && before !== ours;
  // The position is one of the other's log; ours is read from its beginning.
  if (takesOver) await index.save(PUSH_SOURCE, null);
  // Taken over from the one that was seen only: of two that try at once, one is told.
  const stored = await index.change(PUSH_OWNER, (known) => {
    const owner = ownerOf(known);
    return owner === undefined || (takesOver && owner === before) ? { owner: ours } : undefined;
  });
  if (ownerOf(stored) === ours) return true;
  throw new FreshetError(
    'PUSHES_OWNED_ELSEWHERE',
    'fatal',
    'Documents are pushed to another instance of this index, which keeps them in its data folder. Set "server.pushes: refuse" here; or, if that ' +
      'folder is gone for good, "server.pushes: take-over", and push its documents again.',
  );
}

const ownerOf = (stored: unknown): string | undefined => (stored as { readonly owner?: string } | undefined)?.owner;
