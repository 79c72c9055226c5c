import type { Checkpoint } from './checkpoint.ts';
import type { PostgresTable } from './catalog.ts';
import { formatLsn, type Lsn } from './lsn.ts';
import type { ServerFacts } from './server.ts';
import type { SlotFacts } from './slot.ts';
import type { TablePlan } from './table-plan.ts';

/** Why the numbers, the log or the meaning of the rows no longer fit what the index was built from; undefined when all is well. */
export interface EpochQuestion {
  readonly checkpoint: Checkpoint;
  readonly server: ServerFacts;
  readonly slot: SlotFacts | undefined;
  readonly slotName: string;
  readonly publication: string;
  /** Where the stored timeline was left, when the server is on another; undefined when it never was on ours. */
  readonly switchedAt: Lsn | undefined;
  /** The furthest position this process handed over; the stored one after a start. */
  readonly furthest: Lsn;
}

/** The log: nothing may be missing between the stored position and the slot, and its numbers may not have gone back. */
export function logReason(question: EpochQuestion): string | undefined {
  const { checkpoint, server, slot, slotName, publication, switchedAt, furthest } = question;
  const stored = checkpoint.position;
  if (checkpoint.systemId !== server.systemId || checkpoint.database !== server.database) {
    return 'this is another PostgreSQL server or database than the one the index was built from';
  }
  if (checkpoint.slot !== slotName || checkpoint.publication !== publication)
    return 'the slot or the publication was changed in the configuration';
  if (slot === undefined) return `replication slot "${slotName}" is gone`;
  if (slot.lost) return `replication slot "${slotName}" was invalidated: the server removed log that was still needed`;
  if (checkpoint.timeline !== server.timeline && (switchedAt === undefined || stored > switchedAt)) {
    return 'the server was failed over or restored to a point before the stored position';
  }
  if (slot.confirmed > stored) {
    return `replication slot "${slotName}" stands at ${formatLsn(slot.confirmed)}, after the stored position ${formatLsn(stored)}: it was recreated or read by something else`;
  }
  if (furthest > server.flushed) {
    return `the server's log ends at ${formatLsn(server.flushed)}, before ${formatLsn(furthest)}: it was restored from a backup`;
  }
  return undefined;
}

/** The tables: what a row means, or how it is named, is another than when it was indexed. */
export function tableReason(
  checkpoint: Checkpoint,
  tables: readonly PostgresTable[],
  plans: readonly TablePlan[],
): string | undefined {
  for (const { id, fingerprint } of tables) {
    const known = checkpoint.tables[id];
    if (known === undefined) continue;
    if (known.removed) return `table ${id} was taken out of the configuration and put back`;
    if (known.fingerprint !== fingerprint)
      return `the settings of table ${id} were changed (its mapping, the redaction, the chunker or the embedder)`;
    const plan = plans.find((candidate) => candidate.id === id);
    if (plan === undefined) continue;
    if (plan.oid !== known.oid) return `table ${id} was dropped and created again`;
    if (plan.key.join('\0') !== known.key.join('\0')) return `the key of table ${id} was changed`;
  }
  return undefined;
}
