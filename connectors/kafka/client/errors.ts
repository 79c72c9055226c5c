import { FreshetError } from '../../../src/domain/errors.ts';

interface LibraryError {
  readonly name?: string;
  readonly type?: string;
  readonly code?: unknown;
  readonly retriable?: boolean;
  readonly cause?: unknown;
}

/** kafkajs wraps what it gave up on; the first of ours, or the innermost, says what happened. */
function innermost(error: unknown): unknown {
  let current = error;
  for (let depth = 0; depth < 8; depth += 1) {
    if (current instanceof FreshetError) return current;
    const { cause } = (current ?? {}) as LibraryError;
    if (cause === undefined || cause === null) return current;
    current = cause;
  }
  return current;
}

/** The name of a protocol error (`REBALANCE_IN_PROGRESS`), or of the library's own (`KafkaJSConnectionError`). */
export function nameOf(error: unknown): string {
  const { type, name } = (innermost(error) ?? {}) as LibraryError;
  return type ?? name ?? 'Error';
}

/** This member is no longer one of the group's generation: another may own its partitions by now. */
export function isMembershipLost(error: unknown): boolean {
  return ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'FENCED_INSTANCE_ID'].includes(
    nameOf(error),
  );
}

/** Connections, leaders and coordinators come back. What else `retriable` means to kafkajs (any unknown error) is not believed. */
const MAY_PASS = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSStaleTopicMetadataAssignment',
  'KafkaJSLockTimeout',
  'KafkaJSTimeout',
  'BrokerNotConnected',
]);
/** Errors of kafkajs without a name of their own: a broker that stopped answering was given up between two of its requests. */
const CONNECTION_GONE = new Set(['Broker not connected', 'Aborted']);
/** Not `retriable` for kafkajs, yet over once the group has settled. The last is ours, thrown at kafkajs (member.ts). */
const GROUP_IN_MOTION = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'HandOverUnderWay',
]);

/** As one of ours, without the library's text: that may quote what a broker or a record held. */
export function asFreshetError(error: unknown, what: string): FreshetError {
  const inner = innermost(error);
  if (inner instanceof FreshetError) return inner;
  const name = inner instanceof Error && CONNECTION_GONE.has(inner.message) ? 'BrokerNotConnected' : nameOf(error);
  const { type, retriable } = (inner ?? {}) as LibraryError;
  const details = { error: name };
  if (MAY_PASS.has(name) || GROUP_IN_MOTION.has(name) || (type !== undefined && retriable === true)) {
    return new FreshetError('KAFKA_UNAVAILABLE', 'transient', `Kafka did not ${what} (${name}).`, { details });
  }
  if (name === 'KafkaJSSASLAuthenticationError' || /AUTHORIZATION_FAILED$|SASL/.test(name)) {
    return new FreshetError(
      'KAFKA_ACCESS_DENIED',
      'fatal',
      `Kafka refused to ${what} (${name}). Check the mechanism and credentials under "sasl", and that the user may READ the topics and the group and DESCRIBE the cluster.`,
      { details },
    );
  }
  if (name === 'KafkaJSNotImplemented') {
    return new FreshetError(
      'KAFKA_NOT_UNDERSTOOD',
      'fatal',
      `Kafka sent a batch of records in a format or codec that is not known here; could not ${what}.`,
      { details },
    );
  }
  return new FreshetError('KAFKA_FAILED', 'fatal', `Kafka could not ${what} (${name}).`, {
    cause: inner,
    details,
  });
}
