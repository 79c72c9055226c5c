import { FreshetError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { Database, quoteIdentifier, type ConnectionConfig } from './connection.ts';
import { dropSlot } from './slot.ts';

/** A walsender that lost its client is noticed by the server a moment later. */
const FREE_MS_MAX = 10_000;
const LOOK_AGAIN_MS = 100;

/**
 * Removes what a source left on its server: the slot, which would hold back log for ever, and its publication. Nothing to do where they
 * are gone already; a slot that is not ours is left alone.
 * @throws fatal POSTGRES_SLOT_IN_USE while somebody else reads it; `transient` when the server is away
 */
export async function forgetReplication(
  options: {
    readonly name: string;
    readonly connectionString: ConnectionConfig;
    readonly slot: string;
    /** Undefined keeps it: it was made by somebody else. */
    readonly publication: string | undefined;
    readonly clock: Clock;
  },
  signal: AbortSignal,
): Promise<void> {
  const { slot, publication, clock } = options;
  const database = new Database(options.connectionString, options.name);
  const find = async (): Promise<{ readonly active: boolean } | undefined> => {
    const [row] = await database.query<{ active: boolean }>(
      'reading the replication slot',
      `SELECT active FROM pg_catalog.pg_replication_slots
        WHERE slot_name = $1 AND plugin = 'pgoutput' AND database = pg_catalog.current_database()`,
      [slot],
    );
    return row;
  };
  try {
    const until = clock.monotonic() + FREE_MS_MAX;
    let found = await find();
    while (found?.active === true && clock.monotonic() < until) {
      await clock.sleep(LOOK_AGAIN_MS, signal);
      found = await find();
    }
    if (found?.active === true) {
      throw new FreshetError(
        'POSTGRES_SLOT_IN_USE',
        'fatal',
        `Replication slot "${slot}" is still read by somebody. Stop that reader, then: SELECT pg_drop_replication_slot('${slot}');`,
        { details: { slot } },
      );
    }
    if (found !== undefined) await dropSlot(database, slot);
    if (publication !== undefined) {
      await database.execute('dropping the publication', `DROP PUBLICATION IF EXISTS ${quoteIdentifier(publication)}`);
    }
  } finally {
    await database.end();
  }
}
