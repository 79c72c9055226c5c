import type { KafkaLimits } from '../options.ts';
import type { GroupMember, KafkaClient, MemberListener } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import type { ClientLog } from './log.ts';
import { KafkaLogReader } from './log-reader.ts';
import { KafkaGroupMember } from './member.ts';

export function createKafkaClient(
  connection: KafkaConnection,
  limits: KafkaLimits,
  onLog: (entry: ClientLog) => void = () => undefined,
): KafkaClient {
  const log = new KafkaLogReader(connection, onLog);
  const joining = new Set<KafkaGroupMember>();
  return {
    log,
    async join(groupId: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember> {
      const member = new KafkaGroupMember(connection, groupId, limits, listener, onLog);
      joining.add(member);
      try {
        await member.join(topics);
      } catch (error) {
        await member.leave();
        throw error;
      } finally {
        joining.delete(member);
      }
      return member;
    },
    async [Symbol.asyncDispose]() {
      // Whoever waits for brokers that are away would go on trying for minutes.
      await Promise.all([log.close(), ...[...joining].map((member) => member.leave())]);
    },
  };
}
