import { createKafka } from '../client/kafka.ts';
import { KafkaLogReader } from '../client/log-reader.ts';
import type { ClientLog } from '../client/log.ts';
import type { KafkaConnection } from '../client/connection.ts';
import { openKafkaDeadLetters, type KafkaDeadLetters, type KafkaDeadLettersSettings } from './dead-letters.ts';
import { openTopicLog, type TopicLogOptions } from './topic-log.ts';

export type { KafkaDeadLetters } from './dead-letters.ts';

export interface KafkaDeadLettersOptions
  extends KafkaDeadLettersSettings,
    Omit<TopicLogOptions, 'kafka' | 'reader' | 'topic'> {
  readonly connection: KafkaConnection;
  readonly onLog?: (entry: ClientLog) => void;
}

/** Dead letters on a compacted topic, see {@link openKafkaDeadLetters}. Disposing of them closes their connections. */
export async function createKafkaDeadLetters(options: KafkaDeadLettersOptions): Promise<KafkaDeadLetters> {
  const { connection, onLog = () => undefined } = options;
  const reader = new KafkaLogReader(connection, onLog);
  try {
    const log = await openTopicLog({ ...options, kafka: createKafka(connection, onLog, 'lookup'), reader });
    const closing = {
      ...log,
      [Symbol.asyncDispose]: async () => {
        await log[Symbol.asyncDispose]();
        await reader.close();
      },
    };
    return await openKafkaDeadLetters(closing, options);
  } catch (error) {
    await reader.close();
    throw error;
  }
}
