import { readdirSync, readFileSync } from 'node:fs';

/** A process and everything below it, from /proc. PostgreSQL's backends lead sessions of their own, so a process group is not enough. */
export function family(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = parentOf(pid);
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = [root];
  // The list grows while it is walked: children of children follow.
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Undefined for a process that is gone, or is only waiting to be reaped. */
function parentOf(pid: number): number | undefined {
  try {
    // `pid (name) state parent …`; a name may hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

export const isAlive = (pid: number): boolean => parentOf(pid) !== undefined;

export function signalEach(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
