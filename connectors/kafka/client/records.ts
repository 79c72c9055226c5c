import type { KafkaRecord } from '../record.ts';

/** A message as kafkajs decodes it from a fetch, with what its own types leave out. */
export interface RawMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: KafkaRecord['headers'];
  readonly isControlRecord?: boolean;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
}

export interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

const NO_HEADERS: KafkaRecord['headers'] = {};

export function toRecord(topic: string, partition: number, message: RawMessage): KafkaRecord {
  const { offset, timestamp, key, value, headers = NO_HEADERS } = message;
  return { topic, partition, offset: BigInt(offset), timestamp: Number(timestamp), key, value, headers };
}

/** Key of the control record that ends an aborted transaction: version 0, type 0. */
const ABORT = Buffer.from([0, 0, 0, 0]);

/** Leaves out control records and what aborted transactions wrote, as a consumer that reads committed records only must do itself. */
export function committedOnly(
  messages: readonly RawMessage[],
  aborted: readonly AbortedTransaction[] | null | undefined,
): readonly RawMessage[] {
  const starts = [...(aborted ?? [])].sort((a, b) => (BigInt(a.firstOffset) < BigInt(b.firstOffset) ? -1 : 1));
  const open = new Set<string>();
  return messages.filter((message) => {
    while (starts[0] !== undefined && BigInt(starts[0].firstOffset) <= BigInt(message.offset)) {
      open.add(starts.shift()!.producerId);
    }
    const { producerId, inTransaction } = message.batchContext ?? { producerId: '', inTransaction: false };
    if (message.isControlRecord === true) {
      if (message.key !== null && ABORT.equals(message.key)) open.delete(producerId);
      return false;
    }
    return !(inTransaction && open.has(producerId));
  });
}
