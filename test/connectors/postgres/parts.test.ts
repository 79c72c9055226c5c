import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Acknowledger } from '../../../connectors/postgres/acknowledge.ts';
import { logReason, type EpochQuestion } from '../../../connectors/postgres/epoch.ts';
import { AsOf } from '../../../connectors/postgres/freshness.ts';
import { FrameQueue } from '../../../connectors/postgres/frame-queue.ts';
import { endOfWritten, formatLsn, parseLsn } from '../../../connectors/postgres/lsn.ts';
import { Outbox } from '../../../connectors/postgres/outbox.ts';
import { switchLsn } from '../../../connectors/postgres/server.ts';
import { parseFrame, statusFrame } from '../../../connectors/postgres/wal-protocol.ts';
import type { Delivery } from '../../../src/domain/change.ts';
import { partitionId } from '../../../src/domain/ids.ts';

describe('an LSN', () => {
  it('reads back as it was printed', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (n) => parseLsn(formatLsn(n)) === n));
    expect(formatLsn(0x16_b374d848n)).toBe('16/B374D848');
    expect([parseLsn('x'), parseLsn('1/2/3'), parseLsn(''), parseLsn('123456789/0')]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('behind the header of an unwritten page is the end of the page before', () => {
    const segment = 16_777_216n;
    expect(endOfWritten(8192n * 5n + 24n, segment)).toBe(8192n * 5n);
    expect(endOfWritten(segment * 3n + 40n, segment)).toBe(segment * 3n);
    expect(endOfWritten(8192n * 5n + 40n, segment)).toBe(8192n * 5n + 40n);
    expect(endOfWritten(8192n * 5n + 32n, segment)).toBe(8192n * 5n + 32n);
  });
});

describe('the wire', () => {
  it('carries keepalives, data and status in the documented layout', () => {
    const keepalive = Buffer.alloc(18);
    keepalive[0] = 0x6b;
    keepalive.writeBigUInt64BE(77n, 1);
    keepalive[17] = 1;
    expect(parseFrame(keepalive)).toEqual({ kind: 'keepalive', walEnd: 77n, replyRequested: true });
    const data = Buffer.concat([Buffer.from([0x77]), Buffer.alloc(24), Buffer.from('payload')]);
    data.writeBigUInt64BE(88n, 9);
    expect(parseFrame(data)).toEqual({ kind: 'data', walEnd: 88n, payload: Buffer.from('payload') });
    expect(parseFrame(Buffer.from('?'))).toBeUndefined();
    const status = statusFrame({ written: 5n, flushed: 3n, replyRequested: true }, 946_684_800_001);
    expect([
      status[0],
      status.readBigUInt64BE(1),
      status.readBigUInt64BE(9),
      status.readBigUInt64BE(17),
      status.readBigInt64BE(25),
      status[33],
    ]).toEqual([0x72, 5n, 3n, 3n, 1000n, 1]);
  });
});

describe('the settled mark', () => {
  it('moves with the committed transactions, in order, and over nothing that is open', () => {
    const acknowledger = new Acknowledger(100n);
    acknowledger.passed(110n);
    expect(acknowledger.mark).toBe(110n);
    acknowledger.began();
    expect(acknowledger.hasUnsettled).toBe(true);
    acknowledger.ended(201n, 250n);
    acknowledger.ended(undefined, 300n);
    acknowledger.passed(310n);
    acknowledger.ended(401n, 450n);
    acknowledger.passed(460n);
    expect(acknowledger.mark).toBe(110n);
    acknowledger.commit(200n);
    expect(acknowledger.mark).toBe(110n);
    acknowledger.commit(201n);
    expect(acknowledger.mark).toBe(310n);
    acknowledger.commit(150n);
    expect(acknowledger.mark).toBe(310n);
    acknowledger.commit(401n);
    expect([acknowledger.mark, acknowledger.hasUnsettled]).toEqual([460n, false]);
  });

  it('waits for the end of a transaction whose deliveries were all committed before it was read', () => {
    const acknowledger = new Acknowledger(0n);
    acknowledger.began();
    acknowledger.commit(51n);
    expect(acknowledger.mark).toBe(0n);
    acknowledger.ended(51n, 99n);
    expect(acknowledger.mark).toBe(99n);
  });
});

describe('asOf', () => {
  it('is the time of the latest sample the mark has passed', () => {
    const asOf = new AsOf();
    expect([asOf.at(0n), asOf.lagMs(0n)]).toEqual([undefined, undefined]);
    for (let n = 1; n <= 3; n += 1) asOf.add({ at: n * 1000, lsn: BigInt(n * 10) });
    expect(asOf.at(9n)).toBeUndefined();
    expect([asOf.at(25n), asOf.lagMs(25n)]).toEqual([2000, 1000]);
    expect([asOf.at(30n), asOf.lagMs(30n)]).toEqual([3000, 0]);
  });

  it('keeps a bounded number of samples through a long backlog', () => {
    const asOf = new AsOf();
    for (let n = 1; n <= 10_000; n += 1) asOf.add({ at: n, lsn: BigInt(n) });
    const at = asOf.at(5_000n);
    expect(at).toBeLessThanOrEqual(5_000);
    expect(at).toBeGreaterThan(4_000);
  });
});

describe('the epoch rules', () => {
  const good: EpochQuestion = {
    checkpoint: {
      format: 1,
      systemId: 's',
      timeline: 1,
      database: 'd',
      slot: 'x',
      publication: 'p',
      epoch: 0,
      base: 10n,
      position: 100n,
      tables: {},
    },
    server: {
      systemId: 's',
      timeline: 1,
      database: 'd',
      versionNumber: 180_000,
      segmentBytes: 1n,
      senderTimeoutMs: 0,
      flushed: 200n,
    },
    slot: { confirmed: 90n, activePid: undefined, lost: false },
    slotName: 'x',
    publication: 'p',
    switchedAt: undefined,
    furthest: 150n,
  };
  const server = (change: Partial<EpochQuestion['server']>) => ({ server: { ...good.server, ...change } });
  it.each<[string, Partial<EpochQuestion>, boolean]>([
    ['nothing changed', {}, false],
    ['the slot is gone', { slot: undefined }, true],
    ['the slot is lost', { slot: { confirmed: 90n, activePid: undefined, lost: true } }, true],
    [
      'the slot is ahead of the stored position',
      { slot: { confirmed: 101n, activePid: undefined, lost: false } },
      true,
    ],
    ['the log ends before what was handed over', server({ flushed: 149n }), true],
    ['another system', server({ systemId: 't' }), true],
    ['another database', server({ database: 'e' }), true],
    ['another slot name', { slotName: 'y' }, true],
    ['a failover after the stored position', { ...server({ timeline: 2 }), switchedAt: 100n }, false],
    ['a failover before the stored position', { ...server({ timeline: 2 }), switchedAt: 99n }, true],
    ['a timeline that never was ours', server({ timeline: 2 }), true],
  ])('%s', (_name, change, startsOver) => {
    expect(logReason({ ...good, ...change }) !== undefined).toBe(startsOver);
  });

  it('read where a timeline was left from its history file', () => {
    const history = '1\t0/3000000\tno recovery target specified\n\n2\t0/5000028\tno recovery target specified\n';
    expect([switchLsn(history, 1), switchLsn(history, 2), switchLsn(history, 3)]).toEqual([
      0x3000000n,
      0x5000028n,
      undefined,
    ]);
  });
});

describe('the buffers', () => {
  const delivery = (n: number, bytes = 10): Delivery => ({
    position: { partition: partitionId('p'), offset: BigInt(n) },
    endsPosition: true,
    event: { kind: 'nothing', reason: 'heartbeat' },
    receivedAt: 0,
    bytes,
  });
  const signal = new AbortController().signal;

  it('of received frames pauses at its limit and goes on below 80 % of it', async () => {
    const states: boolean[] = [];
    const queue = new FrameQueue(100, (full) => void states.push(full));
    for (let n = 0; n < 10; n += 1) queue.push({ kind: 'data', payload: Buffer.alloc(10) });
    expect(states).toEqual([true]);
    await queue.next();
    expect(queue.isFull).toBe(true);
    await queue.next();
    expect(states).toEqual([true, false]);
    queue.push({ kind: 'keepalive', walEnd: 1n });
    queue.push({ kind: 'keepalive', walEnd: 2n });
    queue.fail(new Error('lost'));
    for (let n = 0; n < 8; n += 1) expect((await queue.next()).kind).toBe('data');
    expect(await queue.next()).toEqual({ kind: 'keepalive', walEnd: 2n });
    await expect(queue.next()).rejects.toThrow('lost');
  });

  it('of deliveries holds its bound, prefers the stream, and lets the snapshot move too', async () => {
    const outbox = new Outbox({ maxBytes: 1_000, maxItems: 40 });
    for (let n = 0; n < 40; n += 1) await outbox.push('stream', delivery(n), signal);
    for (let n = 100; n < 140; n += 1) await outbox.push('snapshot', delivery(n), signal);
    let pushed = false;
    void outbox.push('stream', delivery(40), signal).then(() => (pushed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(pushed).toBe(false);
    const taken: number[] = [];
    for (let n = 0; n < 20; n += 1) taken.push(Number((await outbox.take())?.position.offset));
    expect(taken.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(taken[16]).toBe(100);
    expect(taken[17]).toBe(16);
    expect(pushed).toBe(true);
    outbox.end(new Error('over'));
    await expect(outbox.take()).rejects.toThrow('over');
  });

  it('lets one delivery beyond the byte limit through when nothing else waits', async () => {
    const outbox = new Outbox({ maxBytes: 100, maxItems: 10 });
    await outbox.push('stream', delivery(1, 5_000), signal);
    expect((await outbox.take())?.bytes).toBe(5_000);
    const abort = new AbortController();
    await outbox.push('stream', delivery(2, 90), signal);
    const blocked = outbox.push('stream', delivery(3, 90), abort.signal);
    abort.abort();
    await expect(blocked).rejects.toMatchObject({ kind: 'aborted' });
  });
});
