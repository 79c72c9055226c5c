import type { Admin } from 'kafkajs';
import type { KafkaConnection } from './client/connection.ts';
import { asFreshetError, nameOf } from './client/errors.ts';
import { createKafka } from './client/kafka.ts';

/**
 * Removes a consumer group with its offsets; one that is not there is nothing to do.
 * @throws transient while brokers are away or the group still has members, fatal KAFKA_ACCESS_DENIED
 */
export const removeGroup = (connection: KafkaConnection, groupId: string): Promise<void> =>
  withAdmin(connection, `remove the consumer group ${groupId}`, 'GROUP_ID_NOT_FOUND', async (admin) => {
    await admin.deleteGroups([groupId]);
  });

/** Removes a topic; one that is not there is nothing to do. */
export const removeTopic = (connection: KafkaConnection, topic: string): Promise<void> =>
  withAdmin(connection, `remove the topic ${topic}`, 'UNKNOWN_TOPIC_OR_PARTITION', (admin) =>
    admin.deleteTopics({ topics: [topic] }),
  );

async function withAdmin(
  connection: KafkaConnection,
  what: string,
  isGone: string,
  work: (admin: Admin) => Promise<void>,
): Promise<void> {
  const admin = createKafka(connection, () => undefined, 'lookup').admin();
  try {
    await admin.connect();
    await work(admin);
  } catch (error) {
    if (codesOf(error).includes(isGone)) return;
    throw asFreshetError(error, what);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** `deleteGroups` fails with a list of groups, each with its own reason. */
function codesOf(error: unknown): readonly string[] {
  const { groups = [] } = error as { readonly groups?: readonly { readonly error?: unknown }[] };
  return [nameOf(error), ...groups.map((group) => nameOf(group.error))];
}
