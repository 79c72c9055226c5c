import { hkdfSync } from 'node:crypto';
import { clientLog } from '../../connectors/kafka/client-log.ts';
import { createKafkaDeadLetters } from '../../connectors/kafka/dead-letters/index.ts';
import type { KafkaConnection } from '../../connectors/kafka/client/connection.ts';
import { removeTopic } from '../../connectors/kafka/remove.ts';
import type { FreshetConfig, KafkaDeadLettersConfig } from '../config/index.ts';
import type { Observer } from '../observability/events.ts';
import { systemClock } from '../runtime/clock.ts';
import { SEAL_KEY_BYTES } from '../runtime/seal.ts';
import { lineSuffix } from '../services/blue-green/line-name.ts';
import type { DeadLetterHome } from './dead-letter-home.ts';
import { patiently } from './patiently.ts';
import type { Ui } from './ui.ts';
import { kafkaConnection } from './kafka-connection.ts';

/** A compacted topic for each index, which all instances share. */
export function kafkaDeadLetters(
  config: FreshetConfig,
  settings: KafkaDeadLettersConfig,
  { observer, ui }: { readonly observer: Observer; readonly ui: Ui },
): DeadLetterHome {
  const connection = deadLetterConnection(config, settings);
  const topicOf = (line: string): string => `${settings.topic}${lineSuffix(line)}`;
  return {
    async open(line, signal) {
      const { partitions, replicas } = settings;
      const options = {
        connection,
        topic: topicOf(line),
        partitions,
        ...(replicas === undefined ? {} : { replicas }),
        sealKey: sealKeyOf(config.redaction.key ?? ''),
        clock: systemClock,
        onLog: clientLog({ name: 'dead letters', clock: systemClock, observer }),
      };
      const open = (): ReturnType<typeof createKafkaDeadLetters> => createKafkaDeadLetters(options);
      const deadLetters = await patiently('Kafka, for the dead letters,', open, ui, signal);
      return { deadLetters, close: async () => deadLetters[Symbol.asyncDispose]() };
    },
    forget: (line) => removeTopic(connection, topicOf(line)),
  };
}

/** The cluster that the settings name, else that of a Kafka source; the configuration has made sure that there is one. */
export function deadLetterConnection(config: FreshetConfig, settings: KafkaDeadLettersConfig): KafkaConnection {
  const { brokers } = settings;
  if (brokers !== undefined) return kafkaConnection({ ...settings, brokers }, 'deadLetters');
  for (const [name, source] of Object.entries(config.sources)) {
    if (source.type !== 'kafka' || (settings.source ?? name) !== name) continue;
    return kafkaConnection(source, `sources.${name}`);
  }
  throw new TypeError('Dead letters in Kafka without a cluster passed the checks of the configuration.');
}

/** All instances have the redaction key, and only it: the keys of a data folder are its own. */
const sealKeyOf = (redactionKey: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', redactionKey, '', 'freshet dead letters', SEAL_KEY_BYTES));
