import { describe, expect, it } from 'vitest';
import { createAgedTime } from '../../src/services/aged-time.ts';

const HOUR = 3_600_000;

describe('the clock that ages are told by', () => {
  let wall = 0;
  let passed = 0;
  const clock = { now: () => wall + passed, monotonic: () => passed };
  const begin = () => {
    wall = Date.UTC(2026, 0, 1);
    passed = 0;
    return createAgedTime(clock, HOUR);
  };

  it('is the wall clock while that runs as time does', () => {
    const now = begin();
    passed += 10 * HOUR;
    expect(now()).toBe(clock.now());
  });

  it('takes no part in a jump forwards until everything from before it is over the horizon', () => {
    const now = begin();
    const before = now();
    wall += 6 * HOUR;
    passed += HOUR / 2;
    expect(now()).toBe(before + HOUR / 2);
    passed += HOUR / 2;
    expect(now()).toBe(before + HOUR);
    passed += HOUR / 2;
    expect(now()).toBe(clock.now());
  });

  it('adds several jumps up, and waits for the last one', () => {
    const now = begin();
    const before = now();
    for (let jump = 1; jump <= 3; jump += 1) {
      wall += 2 * HOUR;
      passed += HOUR * 0.75;
      expect(now()).toBe(before + jump * HOUR * 0.75);
    }
    passed += HOUR;
    expect(now()).toBe(clock.now());
  });

  it('follows a jump back at once: things only look younger', () => {
    const now = begin();
    const before = now();
    wall -= 3 * HOUR;
    expect(now()).toBe(before - 3 * HOUR);
  });
});
