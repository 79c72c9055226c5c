import type { FreshetEvent } from './events.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
}

/** A retry gets louder as it goes on. */
const retryLevel = (delayMs: number): LogLevel => (delayMs < 1000 ? 'debug' : delayMs < 6500 ? 'info' : 'warn');

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** What an event is called in the log, and how loudly. Its fields go beside the message, not into it. */
export function logLineOf(event: FreshetEvent): LogLine {
  switch (event.type) {
    case 'document-received':
    case 'document-redacted':
    case 'document-embedded':
    case 'change-settled':
    case 'committed':
    case 'embed-batch':
      return { level: 'trace', message: event.type };
    case 'document-visible':
    case 'document-deleted':
      return { level: event.snapshot ? 'trace' : 'debug', message: event.type };
    case 'search':
    case 'swept':
      return { level: 'debug', message: event.type };
    case 'dead-lettered':
      return {
        level: 'warn',
        message: `A change${event.table === undefined ? '' : ` of ${event.table}`} could not be processed (${event.code} in ${event.stage}); it waits in the dead letters.`,
      };
    case 'retry':
      return {
        // A source says itself, in a line of its own, why it tries again.
        level: event.what.startsWith('source ') ? 'debug' : retryLevel(event.delayMs),
        message: `${event.what}: ${event.code}, trying again in ${seconds(event.delayMs)}.`,
      };
    case 'outage-began':
      return {
        level: 'warn',
        message: `${event.what} is away (${event.code}). Changes wait; what is indexed stays searchable.`,
      };
    case 'outage-ended':
      return { level: 'info', message: `${event.what} is back after ${seconds(event.forMs)}.` };
    case 'source':
      return { level: event.level, message: event.message };
    case 'snapshot-progress':
      return event.finished
        ? { level: 'info', message: `The first copy of ${event.table} is in: ${event.rows} rows.` }
        : { level: 'debug', message: event.type };
  }
}

/** An event's fields as a log line may hold them: plain JSON. The message of a `source` event is the line's own. */
export function logFieldsOf(event: FreshetEvent): Record<string, unknown> {
  const entries = Object.entries(event).filter(
    ([name, value]) => value !== undefined && name !== 'message' && name !== 'level',
  );
  return Object.fromEntries(
    entries.map(([name, value]) => [
      NAMES[name] ?? name,
      typeof value === 'bigint' ? String(value) : (value as unknown),
    ]),
  );
}

/** `type` says nothing in a log line that holds other things' types, too. */
const NAMES: Readonly<Record<string, string>> = { type: 'event' };
