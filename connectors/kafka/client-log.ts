import { quietly, type ClientLog } from './client/log.ts';
import type { KafkaSourceOptions } from './options.ts';

/** How often one part of the client library may be heard. */
const LOG_EVERY_MS = 30_000;

/** What the client library reports, without its own words: they may hold what a broker sent. */
export function clientLog({
  name: source,
  clock,
  observer,
}: Pick<KafkaSourceOptions, 'name' | 'clock' | 'observer'>): (entry: ClientLog) => void {
  return quietly(clock, LOG_EVERY_MS, ({ part, topic }) => {
    const where = topic === undefined ? part : `${part}, topic ${topic}`;
    const message = `Kafka's client of "${source}" reports trouble (${where}). It goes on by itself, or ends the source with its reason.`;
    observer.emit({ type: 'source', source, level: 'warn', code: 'KAFKA_CLIENT', message });
  });
}
