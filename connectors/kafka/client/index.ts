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
  return {
    log,
    async join(groupId: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember> {
      const member = new KafkaGroupMember(connection, groupId, limits, listener, onLog);
      try {
        await member.join(topics);
      } catch (error) {
        await member.leave();
        throw error;
      }
      return member;
    },
    [Symbol.asyncDispose]: () => log.close(),
  };
}
