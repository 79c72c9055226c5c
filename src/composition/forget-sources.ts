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
        const connection = kafkaConnection(source, `sources.${name}`);
        const group = consumerGroup(name, source, suffix);
        await untilFree(() => removeGroup(connection, group), signal);
      }
    } catch (error) {
      if (kindOf(error) === 'aborted') throw error;
      leftBehind.push(`Source "${name}": ${error instanceof FreshetError ? error.message : 'an unexpected error'}`);
    }
  }
  return leftBehind;
}

/** Other instances leave a dropped index's group a moment later, once what they had in flight is done. */
const FREE_MS_MAX = 20_000;
const TRY_AGAIN_MS = 500;

async function untilFree(remove: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const until = systemClock.monotonic() + FREE_MS_MAX;
  for (;;) {
    try {
      return await remove();
    } catch (error) {
      if (kindOf(error) !== 'transient' || systemClock.monotonic() > until) throw error;
      await systemClock.sleep(TRY_AGAIN_MS, signal);
    }
  }
}
