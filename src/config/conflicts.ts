import { consumerGroup } from './kafka-names.ts';
import { replicationConflicts } from './replication-names.ts';
import type { FreshetConfig } from './schema.ts';
import type { Path } from './schema-walk.ts';

/** Two settings that do not go together. The message is read after the setting's path. */
interface Conflict {
  readonly path: Path;
  readonly message: string;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** What no setting can tell of itself: every rule that spans sections. */
export function conflicts(config: FreshetConfig): readonly Conflict[] {
  return [
    ...ofServer(config),
    ...ofTimes(config),
    ...ofIndex(config),
    ...ofDeadLetters(config),
    ...ofGroups(config),
    ...replicationConflicts(config.sources).map(({ source, setting, message }) => ({
      path: ['sources', source, setting],
      message,
    })),
  ];
}

function ofServer({ server }: FreshetConfig): readonly Conflict[] {
  if (isLoopback(server.host) || server.apiKeys.length > 0) return [];
  const message =
    'must hold a key, because "server.host" is not loopback. Add `- key: ${FRESHET_API_KEY}`, or listen on 127.0.0.1.';
  return [{ path: ['server', 'apiKeys'], message }];
}

function ofTimes({ sweep, limits, shutdown }: FreshetConfig): readonly Conflict[] {
  const found: Conflict[] = [];
  if (sweep.horizon < 2 * (limits.headCacheAge + limits.writeDeadline)) {
    const message =
      'must be at least twice "limits.headCacheAge" + "limits.writeDeadline", or a late write could return to life.';
    found.push({ path: ['sweep', 'horizon'], message });
  }
  if (shutdown.deadline < shutdown.drain)
    found.push({ path: ['shutdown', 'deadline'], message: 'must not be below "shutdown.drain".' });
  return found;
}

function ofIndex({ index, redaction }: FreshetConfig): readonly Conflict[] {
  if (index.engine !== 'qdrant' || redaction.key !== undefined) return [];
  const message =
    'is required with "index.engine: qdrant": instances that share an index must hash alike, and a key of each own data folder would make every row look changed to the others. Make one with `openssl rand -hex 32` and add `key: ${FRESHET_REDACTION_KEY}`.';
  return [{ path: ['redaction', 'key'], message }];
}

function ofDeadLetters({ deadLetters, index, sources, redaction }: FreshetConfig): readonly Conflict[] {
  if (deadLetters.store !== 'kafka') {
    const isShared = index.engine === 'qdrant' && Object.values(sources).some(({ type }) => type === 'kafka');
    const message =
      'must be "kafka" with "index.engine: qdrant" and a Kafka source: partitions go from one instance to another, which must find the dead letters of both, or it would sweep past changes that wait to be retried.';
    return isShared ? [{ path: ['deadLetters', 'store'], message }] : [];
  }
  const found: Conflict[] = [];
  if (redaction.key === undefined) {
    const message =
      'is required with "deadLetters.store: kafka": every instance must be able to open the row keys that another one sealed. Make one with `openssl rand -hex 32` and add `key: ${FRESHET_REDACTION_KEY}`.';
    found.push({ path: ['redaction', 'key'], message });
  }
  if (deadLetters.brokers !== undefined) return found;
  const kafka = Object.keys(sources).filter((name) => sources[name]?.type === 'kafka');
  const path = ['deadLetters', deadLetters.source === undefined ? 'brokers' : 'source'];
  if (deadLetters.source !== undefined && !kafka.includes(deadLetters.source)) {
    found.push({
      path,
      message: `names no Kafka source. ${kafka.length === 0 ? 'There is none' : `There is: ${kafka.join(', ')}`}.`,
    });
  } else if (deadLetters.source === undefined && kafka.length !== 1) {
    const message =
      kafka.length === 0
        ? 'is required: there is no Kafka source whose cluster could be used.'
        : `or "source" is required: there are several Kafka sources (${kafka.join(', ')}).`;
    found.push({ path, message });
  }
  return found;
}

/** Members of one group share its partitions, and every one must ask for the same topics. */
function ofGroups({ sources }: FreshetConfig): readonly Conflict[] {
  const kafka = Object.entries(sources).flatMap(([name, source]) =>
    source.type === 'kafka' ? [{ name, group: consumerGroup(name, source), brokers: new Set(source.brokers) }] : [],
  );
  return kafka.flatMap(({ name, group, brokers }, at) => {
    const first = kafka
      .slice(0, at)
      .find((other) => other.group === group && [...brokers].some((broker) => other.brokers.has(broker)));
    if (first === undefined) return [];
    const message = `is "${group}", which source "${first.name}" uses already on this cluster. Give one of them another group.`;
    return [{ path: ['sources', name, 'group'], message }];
  });
}
