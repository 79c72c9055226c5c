import { describe, expect, it } from 'vitest';
import type { KafkaStart } from '../../../connectors/kafka/options.ts';
import { StateStore } from '../../../connectors/kafka/state.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { consume } from './support/consumer.ts';
import { createFakeWorld } from './support/fake-world.ts';
import { TABLE } from './support/rows.ts';

describe('what a source remembers', () => {
  it('is kept by fact and epoch, so that writers of one overwrite no other', async () => {
    const { checkpoints } = createFakeWorld();
    const [one, two] = [new StateStore(checkpoints, 'app'), new StateStore(checkpoints, 'app')];
    const ends = new Map([['t/0', 2n ** 60n]]);
    await one.saveSnapshotSeen(TABLE, 1, ends);
    await two.saveSource({ cluster: 'c', epoch: 1, reading: 4, tables: {}, settings: 0 });
    await two.saveTopics(1, ['t']);
    await one.saveProven(1, { reading: 4, time: 5, lsn: 2n ** 60n, connectors: [] });
    expect(await two.snapshotSeen(TABLE, 1)).toEqual(ends);
    expect(await two.snapshotSeen(TABLE, 2)).toBeUndefined();
    expect(await two.snapshotTold(TABLE, 1)).toBeUndefined();
    expect(await one.topics(1)).toEqual(['t']);
    expect(await one.topics(2)).toEqual([]);
    expect(await two.proven(1)).toEqual({ reading: 4, time: 5, lsn: 2n ** 60n, connectors: [] });
  });

  it('is not guessed where it cannot be read', async () => {
    const { checkpoints } = createFakeWorld();
    await checkpoints.save('app#starts', { v: 1, epoch: 0, fact: { offsets: { 't/0': -1 } } });
    await expect(new StateStore(checkpoints, 'app').starts(0)).rejects.toMatchObject({
      code: 'KAFKA_STATE_UNREADABLE',
      kind: 'fatal',
    });
  });
});

describe('the end of a snapshot', () => {
  const isEnd = ({ event }: { readonly event: { readonly kind: string } }): boolean =>
    event.kind === 'snapshot-finished';

  it('is told again when that snapshot is read again, at a position of its own', async () => {
    const { kafka, source } = createFakeWorld();
    const live = source({ epoch: 1 });
    kafka.write('t', 1, { text: 'a', marker: 'last' });
    const consumer = consume(live);
    const isTold = async (times: number): Promise<boolean> =>
      consumer.deliveries.filter(isEnd).length === times && (await live.freshness()).snapshotFinished;
    await consumer.until(() => isTold(1));
    await live.replay('snapshot');
    await consumer.until(() => isTold(2));
    // A pipeline commits only what moves its mark.
    expect(new Set(consumer.deliveries.filter(isEnd).map(({ position }) => position.offset)).size).toBe(2);
    expect(consumer.outOfOrder).toEqual([]);
    await consumer.stop();
  });

  it('is heard of also from the last row of a table that is none of ours', async () => {
    const { kafka, source } = createFakeWorld();
    kafka.write('t', 1, { text: 'a', marker: 'first' });
    kafka.write('t', 2, { other: true, marker: 'last' });
    const consumer = consume(source({ epoch: 1 }));
    await consumer.until(() => consumer.deliveries.some(isEnd));
    await consumer.stop();
  });

  it('is told by the next process, where the one that saw it could not', async () => {
    const { kafka, source } = createFakeWorld(2);
    kafka.write('t', 1, { text: 'held' }, 1);
    kafka.write('t', 1, { text: 'a', marker: 'last' }, 0);
    const first = consume(source({ epoch: 1 }), ({ event }) =>
      event.kind === 'row-upserted' && event.row['text'] === 'held'
        ? new Promise<void>((resolve) => void releases.push(resolve))
        : undefined,
    );
    const releases: (() => void)[] = [];
    await first.until(() => kafka.committed('g', 't', 0) === 1n && releases.length === 1);
    const second = consume(source({ epoch: 1 }));
    kafka.groups.get('g')!.expel(kafka.groups.get('g')!.members[0]!);
    await second.until(() => second.deliveries.some(isEnd));
    for (const release of releases) release();
    await Promise.all([first.stop(), second.stop()]);
  });
});

describe('where a source begins', () => {
  it.each<[KafkaStart, readonly string[]]>([
    ['latest', ['after', 'after']],
    [{ timestamp: 1_002 }, ['after', 'after', 'before']],
    [{ offsets: { 't/0': 1 } }, ['after', 'after', 'before']],
  ])(
    'is decided once, for all partitions: %j holds after a crash before the first was taken up',
    async (start, texts) => {
      const { kafka, source } = createFakeWorld(2);
      for (const partition of [0, 1]) kafka.write('t', partition, { text: 'before' }, partition);
      const { log, ...client } = kafka.client();
      const crashing = { ...log, committed: () => Promise.reject(new FreshetError('CRASH', 'fatal', 'crash')) };
      const first = consume(source({ start }, { ...client, log: crashing }));
      expect(await first.done).toMatchObject({ code: 'CRASH' });
      await first.stop();
      for (const partition of [0, 1]) kafka.write('t', partition, { text: 'after' }, partition);
      const consumer = consume(source({ start }));
      await consumer.until(() => consumer.texts().filter((text) => text === 'after').length === 2);
      expect(consumer.texts().toSorted()).toEqual(texts);
      await consumer.stop();
    },
  );
});
