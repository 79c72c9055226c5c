import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UNCHANGED } from '../../../src/domain/change.ts';
import { epochOf, snapshotVersion } from '../../../src/domain/version.ts';
import {
  eventsOf,
  finalRows,
  finished,
  MemoryCheckpoints,
  startCluster,
  startReading,
  streamed,
  table,
  uniqueName,
  upserts,
  type Cluster,
} from './harness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.remove());

describe('streaming', () => {
  it('hands over a snapshot, then inserts, updates and deletes with rising versions', async () => {
    await cluster.sql(
      `CREATE TABLE notes (id bigint PRIMARY KEY, body text); INSERT INTO notes VALUES (1, 'one'), (2, 'two')`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('notes')] });
    await reading.until(finished());
    expect(
      upserts(reading.deliveries).map(({ key, snapshot, version, sourcePosition }) => ({
        key,
        snapshot,
        version,
        sourcePosition,
      })),
    ).toEqual([
      { key: '["1"]', snapshot: true, version: snapshotVersion(0), sourcePosition: undefined },
      { key: '["2"]', snapshot: true, version: snapshotVersion(0), sourcePosition: undefined },
    ]);
    expect(reading.deliveries.at(-1)?.event).toMatchObject({ kind: 'snapshot-finished', epoch: 0 });

    await cluster.sql(`INSERT INTO notes VALUES (3, 'three')`);
    await cluster.sql(`UPDATE notes SET body = 'changed' WHERE id = 1`);
    await cluster.sql(`DELETE FROM notes WHERE id = 2`);
    await reading.until((all) => streamed(all).length === 3);
    const events = eventsOf(streamed(reading.deliveries));
    expect(events.map((event) => [event.kind, 'key' in event ? event.key : ''])).toEqual([
      ['row-upserted', '["3"]'],
      ['row-upserted', '["1"]'],
      ['row-deleted', '["2"]'],
    ]);
    expect(events[0]).toMatchObject({ row: { id: 3n, body: 'three' }, snapshot: false });
    const versions = events.map((event) => ('version' in event ? (event.version as number) : 0));
    expect([...versions].sort((a, b) => a - b)).toEqual(versions);
    expect(versions.every((version) => version > snapshotVersion(0) && epochOf(version as never) === 0)).toBe(true);
    await reading.stop();
    expect(reading.failure()).toBeUndefined();
  });
});
