import { describe, expect, it } from 'vitest';
import { SpanLimit } from '../../src/runtime/span-limit.ts';
import { settled } from '../support/manual-clock.ts';

function setUp(span: number, limit: number) {
  const state = { span, passed: false };
  const spans = new SpanLimit(() => state.span, limit);
  const controller = new AbortController();
  const waiting = (): Promise<void> => spans.wait(controller.signal).then(() => void (state.passed = true));
  return { state, spans, controller, waiting };
}

describe('the limit of the uncommitted span', () => {
  it('passes at once below the limit', async () => {
    const { waiting, state } = setUp(9, 10);
    await waiting();
    expect(state.passed).toBe(true);
  });

  it('waits at the limit until something settles that shortens the span', async () => {
    const { waiting, state, spans } = setUp(10, 10);
    const waited = waiting();
    await settled();
    expect(state.passed).toBe(false);
    spans.released();
    await settled();
    expect(state.passed).toBe(false);
    state.span = 9;
    spans.released();
    await waited;
    expect(state.passed).toBe(true);
  });

  it('stops waiting when the signal fires, before or meanwhile', async () => {
    const { waiting, controller } = setUp(10, 10);
    const waited = waiting();
    controller.abort();
    await waited;
    await expect(waiting()).resolves.toBeUndefined();
  });

  it('minds no release that nobody waits for', async () => {
    const { waiting, spans, state } = setUp(9, 10);
    spans.released();
    await waiting();
    spans.released();
    expect(state.passed).toBe(true);
  });
});
