import type { FreshetError } from '../../domain/errors.ts';
import type { LineHealth } from './health.ts';

/** Behind more than this, a switch would take readers back in time by more than the moment it waits. */
export const LAG_MS_MAX = 10_000;

/** Whether it may answer queries: built, and not known to be far behind. */
export const isClose = ({ isBuilt, lagMs }: Pick<LineHealth, 'isBuilt' | 'lagMs'>): boolean =>
  isBuilt && (lagMs === undefined || lagMs <= LAG_MS_MAX);

/**
 * What speaks against making an index the live one, one sentence each; none: nothing. Pure. An unknown lag does not: a silent source proves
 * nothing, and the switch itself waits until the index covers what was committed before it.
 */
export function blockersOf(
  role: 'candidate' | 'previous',
  name: string | undefined,
  { failure, health }: { readonly failure: FreshetError | undefined; readonly health?: LineHealth },
  live: Pick<LineHealth, 'deadLetters'> | undefined,
): readonly string[] {
  if (name === undefined) return [role === 'candidate' ? NO_CANDIDATE : NO_PREVIOUS];
  if (failure !== undefined) return [`Index ${name} is not fed, since ${failure.code}: ${failure.message}`];
  if (health === undefined) {
    return [
      `Index ${name} is not fed: its settings are not under "candidate:", or cannot be opened; "freshet index status" says which. Mend them and start again.`,
    ];
  }
  const { isBuilt, isConnected, progress, lagMs, deadLetters } = health;
  const blockers: string[] = [];
  if (!isBuilt) {
    const share =
      progress === undefined ? 'how much is missing is not known' : `${Math.floor(progress * 100)} % of it is in`;
    blockers.push(`Index ${name} is still being built: ${share}.`);
  } else if (!isConnected) {
    blockers.push(`Index ${name} is not connected to all of its sources: "freshet status" shows which are away.`);
  } else if (lagMs !== undefined && lagMs > LAG_MS_MAX) {
    blockers.push(`Index ${name} is ${Math.ceil(lagMs / 1000)} s behind; ${LAG_MS_MAX / 1000} s are allowed.`);
  }
  if (live !== undefined && deadLetters > live.deadLetters) {
    blockers.push(
      `Index ${name} has ${deadLetters} dead letters and the live one ${live.deadLetters}: documents would be missing. See "freshet dlq list --index ${name}".`,
    );
  }
  return blockers;
}

const NO_CANDIDATE =
  'There is no candidate. Give the settings of a new index under "candidate:" in the configuration and start again.';
const NO_PREVIOUS = 'There is no previous index to go back to.';
