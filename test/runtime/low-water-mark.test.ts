import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Version } from '../../src/domain/version.ts';
import { LowWaterMark, type Ticket } from '../../src/runtime/low-water-mark.ts';

/** Deliveries of one partition: some positions are several deliveries long, some have no version. */
const positions = fc.array(
  fc.record({
    deliveries: fc.integer({ min: 1, max: 3 }),
    gap: fc.integer({ min: 1, max: 5 }),
    versioned: fc.boolean(),
  }),
  { minLength: 1, maxLength: 30 },
);

interface Tracked {
  readonly ticket: Ticket;
  readonly offset: bigint;
  readonly last: boolean;
  readonly version: Version | undefined;
}

function trackAll(
  mark: LowWaterMark,
  plan: readonly { deliveries: number; gap: number; versioned: boolean }[],
): Tracked[] {
  let offset = 0n;
  return plan.flatMap(({ deliveries, gap, versioned }) => {
    offset += BigInt(gap);
    const version = versioned ? (Number(offset) as Version) : undefined;
    return Array.from({ length: deliveries }, (_, at) => {
      const last = at === deliveries - 1;
      return { ticket: mark.track(offset, last, version), offset, last, version };
    });
  });
}

/** What the mark promises, said the slow way: the last whole position of the settled prefix. */
function slowMark(tracked: readonly Tracked[]): {
  readonly mark: bigint | undefined;
  readonly version: Version | undefined;
} {
  const firstOpen = tracked.findIndex(({ ticket }) => !ticket.settled);
  const prefix = firstOpen < 0 ? tracked : tracked.slice(0, firstOpen);
  const end = prefix.findLastIndex(({ last }) => last) + 1;
  const versions = prefix.slice(0, end).flatMap(({ version }) => version ?? []);
  return {
    mark: prefix[end - 1]?.offset,
    version: versions.length === 0 ? undefined : (Math.max(...versions) as Version),
  };
}

describe('the low-water mark', () => {
  it('is the highest whole position with nothing unsettled at or below it, in whatever order deliveries settle', () => {
    fc.assert(
      fc.property(positions, fc.infiniteStream(fc.nat()), (plan, order) => {
        const mark = new LowWaterMark();
        const tracked = trackAll(mark, plan);
        const open = [...tracked];
        while (open.length > 0) {
          const [next] = open.splice((order.next().value as number) % open.length, 1);
          const before = mark.mark;
          const moved = mark.settle((next as Tracked).ticket);
          expect({ mark: mark.mark, version: mark.version }).toEqual(slowMark(tracked));
          expect(moved).toBe(mark.mark !== before);
          expect(mark.oldest).toBe(tracked.find(({ ticket }) => !ticket.settled)?.ticket);
        }
        expect(mark.mark).toBe(tracked.at(-1)?.offset);
        expect(mark.span).toBe(0);
      }),
    );
  });

  it('never goes back while deliveries come and settle in turns', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 200 }), (choices) => {
        const mark = new LowWaterMark();
        const open: Ticket[] = [];
        let offset = 0n;
        let highest = -1n;
        for (const choice of choices) {
          if (open.length === 0 || choice % 2 === 0) open.push(mark.track((offset += 1n), true));
          else mark.settle(open.splice(choice % open.length, 1)[0] as Ticket);
          expect(mark.mark ?? -1n).toBeGreaterThanOrEqual(highest);
          highest = mark.mark ?? -1n;
          for (const ticket of open) expect(ticket.offset).toBeGreaterThan(highest);
        }
      }),
    );
  });

  it('does not pass a position before its last delivery was tracked and settled', () => {
    const mark = new LowWaterMark();
    expect(mark.settle(mark.track(5n, false))).toBe(false);
    expect(mark.mark).toBeUndefined();
    expect(mark.settle(mark.track(5n, true))).toBe(true);
    expect(mark.mark).toBe(5n);
  });

  it('forgets what it has passed: a hundred thousand deliveries leave no span', () => {
    const mark = new LowWaterMark();
    for (let offset = 0n; offset < 100_000n; offset += 1n) mark.settle(mark.track(offset, true));
    expect(mark.span).toBe(0);
    expect(mark.mark).toBe(99_999n);
  });

  it('refuses a delivery out of order, and one that settles twice', () => {
    const mark = new LowWaterMark();
    const ticket = mark.track(7n, true);
    expect(() => mark.track(6n, true)).toThrow(RangeError);
    mark.settle(ticket);
    expect(() => mark.settle(ticket)).toThrow(RangeError);
  });
});
