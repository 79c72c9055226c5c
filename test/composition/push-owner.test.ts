import { describe, expect, it } from 'vitest';
import { ownsPushes } from '../../src/composition/push-owner.ts';
import { createMemoryCheckpoints } from '../../connectors/memory/checkpoints.ts';

const keys = (byte: number) => ({ seal: new Uint8Array(32).fill(byte) });

describe('Which of several instances keeps the pushed documents', () => {
  it('is the first that accepts them, also after a restart', async () => {
    const index = createMemoryCheckpoints();
    expect(await ownsPushes(index, 'accept', keys(1))).toBe(true);
    expect(await ownsPushes(index, 'accept', keys(1))).toBe(true);
  });

  it('is no second one: it says which setting to change', async () => {
    const index = createMemoryCheckpoints();
    await ownsPushes(index, 'accept', keys(1));
    await expect(ownsPushes(index, 'accept', keys(2))).rejects.toMatchObject({
      code: 'PUSHES_OWNED_ELSEWHERE',
      kind: 'fatal',
      message: expect.stringContaining('server.pushes: refuse') as string,
    });
    expect(await ownsPushes(index, 'refuse', keys(2))).toBe(false);
  });

  it('is one of two that start at once, and the other is told', async () => {
    const index = createMemoryCheckpoints();
    const { change } = index;
    // The other claims it between our look and our claim.
    index.change = async (source, next) => {
      index.change = change;
      expect(await ownsPushes(index, 'accept', keys(2))).toBe(true);
      return change(source, next);
    };
    await expect(ownsPushes(index, 'accept', keys(1))).rejects.toMatchObject({ code: 'PUSHES_OWNED_ELSEWHERE' });
    expect(await ownsPushes(index, 'accept', keys(2))).toBe(true);
  });

  it('can be taken over, and the new log is read from its beginning', async () => {
    const index = createMemoryCheckpoints();
    await ownsPushes(index, 'accept', keys(1));
    await index.save('push', { fingerprint: 'f', state: { sequence: 7 } });
    expect(await ownsPushes(index, 'take-over', keys(2))).toBe(true);
    expect(await index.load('push')).toBeNull();
    // Left in the configuration, it takes nothing over from itself.
    await index.save('push', { fingerprint: 'f', state: { sequence: 3 } });
    expect(await ownsPushes(index, 'take-over', keys(2))).toBe(true);
    expect(await index.load('push')).toEqual({ fingerprint: 'f', state: { sequence: 3 } });
  });

  it('leaves no trace where pushes are refused', async () => {
    const index = createMemoryCheckpoints();
    await ownsPushes(index, 'refuse', keys(1));
    expect(await ownsPushes(index, 'accept', keys(2))).toBe(true);
  });
});
