import { expect, it } from 'vitest';
import type { FreshetError } from '../../../src/domain/errors.ts';
import { consume } from './support/consumer.ts';
import { createFakeWorld } from './support/fake-world.ts';

it('begins no new epoch with records from before a topic grew: the newest of a row that moved may have the lower offset', async () => {
  const { kafka, source } = createFakeWorld();
  for (const text of ['one', 'two', 'three']) kafka.write('t', 1, { text });
  const before = consume(source());
  await before.until(() => kafka.committed('g', 't') === 3n);
  await before.stop();
  kafka.grow('t');

  const tooEarly = consume(source({ epoch: 1 }));
  const error = await tooEarly.done;
  expect(error).toMatchObject({ code: 'KAFKA_PARTITIONS_CHANGED', details: { before: 1, now: 2 } });
  // What it says to set is what works: the refusal began no epoch, whose `start` would be settled.
  expect((error as FreshetError).message).toContain('set its "start" to { timestamp:');
  await tooEarly.stop();

  const after = consume(source({ epoch: 1, start: 'latest' }));
  await after.until(() => kafka.committed('g', 't') === 3n);
  await after.until(async () => (await after.source.freshness()).partitions.length === 2);
  kafka.write('t', 1, { text: 'four' });
  await after.until(() => after.texts().includes('four'));
  expect(after.texts()).toEqual(['four']);
  await after.stop();
});
