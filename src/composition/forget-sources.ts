import { removeGroup } from '../../connectors/kafka/remove.ts';
import { forgetReplication } from '../../connectors/postgres/forget.ts';
import { consumerGroup, replicationNames, type FreshetConfig } from '../config/index.ts';
import { FreshetError, kindOf } from '../domain/errors.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Databases } from './databases.ts';
import { kafkaConnection } from './kafka-connection.ts';

/**
 * Removes what a dropped index left at the sources, by the names it had there. Returns one sentence for each source where that failed: what
 * is left behind has to be removed by hand, and the index is dropped all the same.
 * @param suffix of the index (see SourceParts)
 */
export async function forgetSources(
  config: FreshetConfig,
  databases: Pick<Databases, 'connectionOf'>,
  suffix: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const leftBehind: string[] = [];
  for (const [name, source] of Object.entries(config.sources)) {
    try {
      if (source.type === 'postgres' || source.type === 'embedded-postgres') {
        const { slot, publication } = replicationNames(name, source, suffix);
        // One that the configuration names may have been made by a database owner, for others too.
        const isOurs = source.publication === undefined || suffix !== '';
        const connectionString = databases.connectionOf(source);
        await forgetReplication(
          { name, connectionString, slot, publication: isOurs ? publication : undefined, clock: systemClock },
          signal,
        );
      } else if (source.type === 'kafka') {
        await removeGroup(kafkaConnection(source, `sources.${name}`), consumerGroup(name, source, suffix));
      }
    } catch (error) {
      if (kindOf(error) === 'aborted') throw error;
      leftBehind.push(`Source "${name}": ${error instanceof FreshetError ? error.message : 'an unexpected error'}`);
    }
  }
  return leftBehind;
}
