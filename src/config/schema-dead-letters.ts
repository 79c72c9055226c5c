import { z } from 'zod';
import { integer, section, text } from './fields.ts';
import { kafkaConnection } from './schema-kafka.ts';

const state = section('In `dataDir`, beside the pushed documents.', {
  store: z.literal('state').meta({ description: '`state`: a file below `dataDir`.' }),
});

const { brokers, ...rest } = kafkaConnection;

const kafka = section('In a compacted topic that all instances share.', {
  store: z.literal('kafka'),
  topic: text('Name of the topic; made when it is missing and the user may.').default('freshet-dead-letters'),
  partitions: integer('Partitions of the topic when it is made.', { min: 1, max: 1_000 }).default(1),
  replicas: integer('Copies of the topic when it is made. Default: the cluster’s own.', {
    min: 1,
    max: 100,
  }).exactOptional(),
  source: text(
    'Kafka source whose cluster and login are used. Default: the only one; give `brokers` for another cluster.',
  ).exactOptional(),
  brokers: brokers.exactOptional(),
  ...rest,
});

/** Where records go that cannot be indexed. */
export const deadLetters = z.discriminatedUnion('store', [state, kafka]).default({ store: 'state' }).meta({
  description: 'Where records are noted that could not be indexed: coordinates and codes, never their text.',
});

export type DeadLettersConfig = z.output<typeof deadLetters>;
export type KafkaDeadLettersConfig = z.output<typeof kafka>;
