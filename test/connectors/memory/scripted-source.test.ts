import { describe, expect, it } from 'vitest';
import { createScriptedSource } from '../../../connectors/memory/scripted-source.ts';
import type { ChangeEvent, Delivery } from '../../../src/domain/change.ts';
import { partitionId } from '../../../src/domain/ids.ts';

const heartbeat: ChangeEvent = { kind: 'nothing', reason: 'heartbeat' };
const A = partitionId('a');

describe('the scripted source', () => {
  it('delivers what is pushed, in order per partition, and ends when told to', async () => {
    const source = createScriptedSource();
    source.push(heartbeat, { partition: A });
    source.push(heartbeat, { partition: A, endsPosition: false });
    source.push(heartbeat);
    source.end();
    const seen: Delivery[] = [];
    for await (const delivery of source.read(new AbortController().signal)) seen.push(delivery);
    expect(seen.map(({ position, endsPosition }) => [position.partition, position.offset, endsPosition])).toEqual([
      ['a', 1n, true],
      ['a', 2n, false],
      ['0', 1n, true],
    ]);
    expect(source.readCount()).toBe(3);
  });

  it('waits for what is pushed later, and leaves when the reader does', async () => {
    const source = createScriptedSource();
    const stop = new AbortController();
    const reading = (async () => {
      let count = 0;
      for await (const _delivery of source.read(stop.signal)) {
        count++;
        stop.abort();
      }
      return count;
    })();
    source.push(heartbeat);
    expect(await reading).toBe(1);
  });

  it('fails once everything pushed was read', async () => {
    const source = createScriptedSource();
    source.push(heartbeat);
    source.fail(new Error('the log has a gap'));
    const read = async (): Promise<void> => {
      for await (const _delivery of source.read(new AbortController().signal));
    };
    await expect(read()).rejects.toThrow('the log has a gap');
    expect(source.readCount()).toBe(1);
  });

  it('remembers the highest position committed per partition, and ignores an older one', async () => {
    const source = createScriptedSource();
    const at = source.push(heartbeat, { partition: A, offset: 7n });
    await source.commit([at]);
    await source.commit([{ partition: A, offset: 3n }]);
    expect(source.committed.get(A)).toBe(7n);
  });

  it('tells its listeners before partitions are given up', async () => {
    const source = createScriptedSource();
    const drained: string[] = [];
    source.onRevoked((partitions) => Promise.resolve(void drained.push(...partitions)));
    await source.revoke([A]);
    expect(drained).toEqual(['a']);
  });
});
