import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { FreshetEvent, Observer } from './events.ts';
import { logFieldsOf, logLineOf } from './log-lines.ts';
import { createMetrics } from './metrics.ts';

/** Events of an index that does not answer yet, or no more: a log line for what a person may have to see to, and no figures. */
const WORTH_A_LINE: ReadonlySet<FreshetEvent['type']> = new Set([
  'source',
  'dead-lettered',
  'outage-began',
  'outage-ended',
  'snapshot-progress',
] as const);

export function createLogObserver(logger: Logger): Observer {
  return {
    emit(event) {
      if (!WORTH_A_LINE.has(event.type)) return;
      const { level, message } = logLineOf(event);
      if (logger.isLevelEnabled(level)) logger[level](logFieldsOf(event), message);
    },
  };
}

/** The one place where an event becomes a log line and a metric, so that the two can never tell different stories. */
export function createObserver(options: {
  readonly logger: Logger;
  readonly registry: Registry;
  /** Others who want every event, e.g. the change feed. */
  readonly also?: readonly Observer[];
}): Observer {
  const { logger, registry, also = [] } = options;
  const metrics = createMetrics(registry);
  return {
    emit(event: FreshetEvent): void {
      metrics.record(event);
      const { level, message } = logLineOf(event);
      if (logger.isLevelEnabled(level)) logger[level](logFieldsOf(event), message);
      for (const observer of also) observer.emit(event);
    },
  };
}
