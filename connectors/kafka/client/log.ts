import kafkajs, { type LogEntry } from 'kafkajs';
import type { Clock } from '../../../src/ports/clock.ts';

/** What the client library says. Its own text may hold whatever a broker sent: it serves to recognise things, and is not passed on. */
export interface ClientLog {
  readonly level: 'info' | 'warn' | 'error';
  /** Which part of the library, e.g. `ConsumerGroup`. */
  readonly part: string;
  readonly message: string;
  readonly topic?: string;
  readonly partition?: number;
}

/**
 * A log creator for kafkajs. Calls the listener synchronously and lets through what it throws: for some of its decisions, the log line is
 * the only moment at which kafkajs can be stopped (see {@link isOutOfRange}).
 */
export function logCreator(listener: (entry: ClientLog) => void): () => (entry: LogEntry) => void {
  const { logLevel } = kafkajs;
  return () =>
    ({ namespace, level, log }) => {
      const { message, error, topic, partition } = log as LogEntry['log'] & Readonly<Record<string, unknown>>;
      listener({
        level: level === logLevel.ERROR ? 'error' : level === logLevel.WARN ? 'warn' : 'info',
        part: namespace,
        // A refused request says only which one it was; why, it says beside that.
        message: typeof error === 'string' ? `${message}: ${error}` : message,
        ...(typeof topic === 'string' ? { topic } : {}),
        ...(typeof partition === 'number' ? { partition } : {}),
      });
    };
}

/** kafkajs is about to jump to the earliest or latest record and to commit that, because the offset it asked for is not there (any more). */
export const isOutOfRange = ({ part, message }: ClientLog): boolean =>
  part === 'ConsumerGroup' && message.startsWith('Offset out of range, resetting');

/**
 * Lets warnings and errors through, one per part of the library in a while: it repeats itself with every attempt to reach a broker. What is
 * no trouble is left out: a group that rebalances, and our own hand-over (see member.ts).
 */
export function quietly(
  clock: Clock,
  everyMs: number,
  listener: (entry: ClientLog) => void,
): (entry: ClientLog) => void {
  const heard = new Map<string, number>();
  return (entry) => {
    const { level, part, message } = entry;
    if (level === 'info' || /rebalanc|re-joining|unsubscribed topics/i.test(message)) return;
    const now = clock.monotonic();
    if (now - (heard.get(part) ?? -Infinity) < everyMs) return;
    heard.set(part, now);
    listener(entry);
  };
}
