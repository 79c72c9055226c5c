import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs';
import { registerCodecs } from './codecs.ts';
import type { KafkaConnection, KafkaSasl, KafkaTls } from './connection.ts';
import { logCreator, type ClientLog } from './log.ts';

/**
 * Above this many attempts, each up to two seconds after the last, kafkajs gives up and crashes its consumer; the source then makes a new
 * one. So many because the hand-over of a rebalance is waited for in these attempts (see member.ts).
 */
const RETRY = { initialRetryTime: 100, multiplier: 1.5, maxRetryTime: 2_000, retries: 60 };
/** Given to every consumer again: kafkajs's own default for consumers, 5, goes before what its client was made with. */
export const CONSUMER_RETRIES = { retries: RETRY.retries };
/** Look-ups fail fast: who asks knows better when to ask again. */
const LOOKUP_RETRY = { initialRetryTime: 100, multiplier: 2, maxRetryTime: 1_000, retries: 2 };

/** A kafkajs client. Nothing connects before one of its consumers or admins does. */
export function createKafka(
  connection: KafkaConnection,
  onLog: (entry: ClientLog) => void,
  patience: 'consumer' | 'lookup',
): Kafka {
  registerCodecs();
  return new kafkajs.Kafka({
    ...kafkaConfig(connection),
    retry: { ...(patience === 'consumer' ? RETRY : LOOKUP_RETRY), restartOnFailure: async () => false },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: logCreator(onLog),
  });
}

/** The part of kafkajs's configuration that says whom to talk to, and as whom. */
export function kafkaConfig(connection: KafkaConnection): KafkaConfig {
  const { brokers, clientId = 'freshet', tls, sasl, connectTimeoutMs = 5_000, requestTimeoutMs = 15_000 } = connection;
  return {
    brokers: [...brokers],
    clientId,
    connectionTimeout: connectTimeoutMs,
    authenticationTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    ...(tls === undefined ? {} : { ssl: tlsOptions(tls) }),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
  };
}

function tlsOptions(tls: KafkaTls): NonNullable<Exclude<KafkaConfig['ssl'], boolean>> {
  const { ca, rejectUnauthorized = true, ...rest } = tls;
  return {
    ...rest,
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
  };
}

function saslOptions(sasl: KafkaSasl): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') return sasl;
  return {
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => {
      const { value, extensions } = await sasl.token();
      return { value, ...(extensions === undefined ? {} : { extensions }) };
    },
  };
}
