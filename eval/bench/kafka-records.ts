import type { KafkaRecord } from '../../connectors/kafka/record.ts';
import { seeded, sentence } from './corpus.ts';

/** Change events as Debezium writes them for PostgreSQL: plain JSON, about 1 KB each with its key. */

export const TOPIC = 'bench.public.notes';
const SENTENCES = 5;
const FIRST_COMMIT_MS = 1_790_000_000_000;

export interface Change {
  readonly document: number;
  /** 0 for the insert. Texts of different revisions differ if `changesText` says so; `updated_at` always does. */
  readonly revision: number;
  readonly changesText: boolean;
}

/** One changed sentence per revision. */
export function noteText({ document, revision, changesText }: Change): string {
  const random = seeded(document * 104_729 + 7);
  const sentences = Array.from({ length: SENTENCES }, () => sentence(random));
  if (!changesText || revision === 0) return sentences.join(' ');
  const changed = sentence(seeded(document * 31 + revision * 104_729));
  return sentences.with(revision % SENTENCES, changed).join(' ');
}

/** @param sequence of the change in the whole log, from 1: its LSN and commit time grow with it */
export function makeRecord(change: Change, offset: bigint, partition: number, sequence: number): KafkaRecord {
  const { document, revision } = change;
  const lsn = 30_000_000 + sequence * 100;
  const ms = FIRST_COMMIT_MS + sequence;
  const after = {
    id: document,
    title: `Note ${document}`,
    body: noteText(change),
    updated_at: new Date(ms).toISOString(),
  };
  const source = {
    ...{ version: '3.7.0.Final', connector: 'postgresql', name: 'bench', ts_ms: ms, snapshot: 'false', db: 'app' },
    ...{ sequence: `["${lsn - 100}","${lsn}"]`, ts_us: ms * 1_000, ts_ns: ms * 1_000_000 },
    ...{ schema: 'public', table: 'notes', txId: sequence, lsn, xmin: null, origin: null, origin_lsn: null },
  };
  const value = { before: null, after, source, transaction: null, op: revision === 0 ? 'c' : 'u', ts_ms: ms + 3 };
  return {
    ...{ topic: TOPIC, partition, offset, timestamp: ms },
    key: Buffer.from(JSON.stringify({ id: document })),
    value: Buffer.from(JSON.stringify(value)),
    headers: {},
  };
}

/** `rounds` changes of each document, in turn, so that two changes of one document are far apart. */
export function makeRecords(
  documents: number,
  revisions: { readonly from: number; readonly to: number },
  changesText: boolean,
): KafkaRecord[] {
  const records: KafkaRecord[] = [];
  for (let revision = revisions.from; revision < revisions.to; revision += 1) {
    for (let document = 1; document <= documents; document += 1) {
      const sequence = revision * documents + document;
      records.push(makeRecord({ document, revision, changesText }, BigInt(sequence - 1), 0, sequence));
    }
  }
  return records;
}
