import { DebeziumDecodeError } from 'debezium-ts-types';
import { FreshetError } from '../../../src/domain/errors.ts';

/** What decoding throws, as poison where the record is to blame. Messages of debezium-ts-types name fields, never values. */
export function asFreshetError(error: unknown, topic: string): FreshetError {
  if (error instanceof FreshetError) return error;
  if (error instanceof DebeziumDecodeError) {
    return new FreshetError(
      'RECORD_UNDECODABLE',
      'poison',
      `A record of topic ${topic} is none that Debezium writes: ${error.message} Mend what writes the topic, or leave the topic out; ` +
        'the record itself stays where it is.',
      { details: { topic, reason: error.code, where: error.where } },
    );
  }
  throw error;
}
