import { PgoutputParser } from 'pg-logical-replication/dist/output-plugins/pgoutput/pgoutput-parser.js';
import type * as Pgoutput from 'pg-logical-replication/dist/output-plugins/pgoutput/pgoutput.types.js';
import type { Delivery } from '../../src/domain/change.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Acknowledger } from './acknowledge.ts';
import { effectsOf } from './changes.ts';
import { lsn, maxLsn, type Lsn } from './lsn.ts';
import type { Receiver } from './receiver.ts';
import type { Relations } from './relations.ts';
import type { SpoolLimits } from './spool.ts';
import { Transaction, type Numbering } from './transaction.ts';

/** What was handed over, across reconnects: the stream resumes behind it, and skips what of a transaction is out already. */
export interface StreamProgress {
  /** End of the last transaction that was handed over whole. */
  end: Lsn;
  /** Deliveries out of the transaction that follows. They come again in the same order with the same numbers. */
  partial: { readonly commitLsn: Lsn; count: number } | undefined;
}

export interface StreamDeps {
  readonly receiver: Receiver;
  readonly relations: Relations;
  readonly numbering: Numbering;
  readonly acknowledger: Acknowledger;
  readonly progress: StreamProgress;
  readonly spool: SpoolLimits;
  readonly clock: Clock;
  readonly deliver: (delivery: Delivery) => Promise<void>;
  /** The settled mark may have moved without a commit. */
  readonly moved: () => void;
}

/** Unix milliseconds; the digits below are the source's microseconds. */
const instant = (micros: bigint): number => Number(micros) / 1000;

/** Reads messages until the connection fails or is closed, and hands their transactions over. */
export async function readStream(deps: StreamDeps): Promise<never> {
  const parser = new PgoutputParser();
  let transaction: Transaction | undefined;
  try {
    for (;;) {
      const frame = await deps.receiver.next();
      if (frame.kind === 'keepalive') {
        // Inside a transaction its number may lie beyond what we hold.
        if (transaction === undefined) passed(deps, frame.walEnd);
        continue;
      }
      const message = parser.parse(frame.payload);
      if (message.tag === 'begin') transaction = begin(deps, message);
      else if (message.tag === 'commit' && transaction !== undefined) {
        await transaction.commit();
        ended(deps, transaction, lsn(message.commitEndLsn));
        transaction = undefined;
      } else if (message.tag === 'relation') await deps.relations.describe(message);
      else if (message.tag === 'truncate') {
        await transaction?.truncated(deps.relations.truncated(message).map(({ id }) => id));
      } else if (message.tag === 'insert' || message.tag === 'update' || message.tag === 'delete') {
        const plan = deps.relations.plan(message.relation);
        await transaction?.changed(plan === undefined ? [] : effectsOf(message, plan, frame.payload.length));
      }
    }
  } finally {
    await transaction?.dispose();
  }
}

function begin(deps: StreamDeps, message: Pgoutput.MessageBegin): Transaction {
  const { numbering, spool, clock, progress, acknowledger } = deps;
  const commitLsn = lsn(message.commitLsn);
  let count = 0;
  return new Transaction({
    commitLsn,
    committedAt: instant(message.commitTime as bigint),
    numbering,
    spool,
    now: () => clock.now(),
    deliver: async (delivery) => {
      count += 1;
      const { partial } = progress;
      if (partial?.commitLsn === commitLsn && count <= partial.count) return;
      acknowledger.began();
      await deps.deliver(delivery);
      progress.partial = { commitLsn, count };
    },
  });
}

function ended({ acknowledger, progress, moved }: StreamDeps, { lastOffset }: Transaction, end: Lsn): void {
  acknowledger.ended(lastOffset, end);
  progress.end = maxLsn(progress.end, end);
  progress.partial = undefined;
  moved();
}

function passed({ acknowledger, progress, moved }: StreamDeps, walEnd: Lsn): void {
  acknowledger.passed(walEnd);
  progress.end = maxLsn(progress.end, walEnd);
  moved();
}
