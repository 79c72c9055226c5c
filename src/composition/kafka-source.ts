import type { KafkaSourceConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';
import type { OpenSource } from './pipelines.ts';

export function openKafka(name: string, _config: KafkaSourceConfig): OpenSource {
  throw new FreshetError('SOURCE_UNKNOWN', 'fatal', `Source "${name}" is of a type that this version cannot read yet.`);
}
