import type { KafkaConnection, KafkaSasl } from '../../connectors/kafka/client/connection.ts';
import { clientCredentialsToken } from '../../connectors/kafka/client/oauth.ts';
import type { KafkaConnectionConfig } from '../config/index.ts';
import { systemClock } from '../runtime/clock.ts';
import { tlsTexts } from './tls.ts';

/** @param setting where the section stands, for messages: `sources.app` */
export function kafkaConnection(config: KafkaConnectionConfig, setting: string): KafkaConnection {
  const { brokers, clientId, ssl, sasl, connectionTimeout, requestTimeout } = config;
  return {
    brokers,
    clientId,
    connectTimeoutMs: connectionTimeout,
    requestTimeoutMs: requestTimeout,
    ...(ssl === false ? {} : { tls: ssl === true ? {} : tlsTexts(ssl, `${setting}.ssl`) }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

function saslOf(sasl: NonNullable<KafkaConnectionConfig['sasl']>): KafkaSasl {
  if (sasl.mechanism !== 'oauthbearer') return sasl;
  const { mechanism, ...credentials } = sasl;
  return { mechanism, token: clientCredentialsToken(credentials, systemClock) };
}
