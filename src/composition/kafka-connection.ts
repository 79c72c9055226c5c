import type { KafkaConnection, KafkaSasl } from '../../connectors/kafka/client/connection.ts';
import { clientCredentialsToken } from '../../connectors/kafka/client/oauth.ts';
import type { ClientLog } from '../../connectors/kafka/client/log.ts';
import type { KafkaConnectionConfig } from '../config/index.ts';
import type { Observer } from '../observability/events.ts';
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

/** What the client library says of itself, as events of a source: a name and a place, never its own text. */
export const clientLog =
  (source: string, observer: Observer): ((entry: ClientLog) => void) =>
  ({ level, part, topic }) => {
    if (level === 'info') return;
    const where = topic === undefined ? part : `${part}, topic ${topic}`;
    const message = `Kafka's client of "${source}" reports trouble (${where}).`;
    observer.emit({ type: 'source', source, level: 'warn', code: 'KAFKA_CLIENT', message });
  };
