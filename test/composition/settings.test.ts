import { describe, expect, it } from 'vitest';
import { createMemoryCheckpoints } from '../../connectors/memory/checkpoints.ts';
import { openKafka } from '../../src/composition/kafka-source.ts';
import { settingsFingerprint } from '../../src/composition/settings.ts';
import { silentObserver } from '../../src/observability/events.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { load } from '../config/helpers.ts';

const SETTINGS = { redactor: 'r', chunker: 'c', embedder: 'e' };

/** Of an index that one Kafka source feeds. */
async function fingerprintOf(table: string): Promise<string> {
  const { shop } = load(`sources: { shop: { type: kafka, brokers: "k:9092", topicPrefix: app, tables: { ${table} } } }`)
    .config.sources;
  if (shop?.type !== 'kafka') throw new TypeError('not a Kafka source');
  const checkpoints = createMemoryCheckpoints();
  const parts = { settings: SETTINGS, retired: {}, clock: systemClock, observer: silentObserver, spoolFolder: '' };
  const { source, mappings, shapedBy } = openKafka('shop', shop, { ...parts, checkpoints, suffix: '' });
  await source[Symbol.asyncDispose]();
  return settingsFingerprint(mappings, SETTINGS, shapedBy === undefined ? [] : [shapedBy]);
}

describe('The settings of an index', () => {
  it('are others once a column’s type is declared: the same records make other documents then, at the same versions', async () => {
    const plain = await fingerprintOf('articles: { text: "{body}" }');
    const typed = await fingerprintOf('articles: { text: "{body}", types: { price: "decimal(10, 2)" } }');
    expect(await fingerprintOf('articles: { text: "{body}" }')).toBe(plain);
    expect(typed).not.toBe(plain);
    expect(await fingerprintOf('articles: { text: "{body}", types: { price: "decimal(10, 3)" } }')).not.toBe(typed);
  });

  it('are the same in whatever order tables are named', () => {
    const mappings = ['a', 'b'].map((table) => ({ table }) as unknown as Parameters<typeof settingsFingerprint>[0][0]);
    expect(settingsFingerprint(mappings.toReversed(), SETTINGS)).toBe(settingsFingerprint(mappings, SETTINGS));
  });
});
