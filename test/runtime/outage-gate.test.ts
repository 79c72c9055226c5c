import { setMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import { OutageGate } from '../../src/runtime/outage-gate.ts';
import { createManualClock, settled } from '../support/manual-clock.ts';
import { createRecordingObserver } from '../support/recording-observer.ts';

const transient = (): FreshetError => new FreshetError('AWAY', 'transient', 'away');

function setUp() {
  const clock = createManualClock();
  const observer = createRecordingObserver();
  const gate = new OutageGate('engine', { clock, observer, random: () => 0.5 });
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return { clock, observer, gate, controller, signal: controller.signal };
}

describe('the outage gate', () => {
  it('passes results and errors of other kinds straight through', async () => {
    const { gate, signal } = setUp();
    await expect(gate.run(() => Promise.resolve(7), signal)).resolves.toBe(7);
    await expect(
      gate.run(() => Promise.reject(new FreshetError('BAD', 'poison', 'bad')), signal),
    ).rejects.toMatchObject({ code: 'BAD' });
    expect(gate.down).toBe(false);
  });

  it('retries a transient failure until it passes', async () => {
    const { gate, clock, signal } = setUp();
    let calls = 0;
    const result = gate.run(() => (++calls < 3 ? Promise.reject(transient()) : Promise.resolve('ok')), signal);
    await clock.advance(2_000);
    await expect(result).resolves.toBe('ok');
    expect(calls).toBe(3);
  });

  it('lets one probe at a time through during an outage, and releases everyone at the recovery', async () => {
    const { gate, clock, signal, observer } = setUp();
    let up = false;
    let running = 0;
    let most = 0;
    let callsWhileDown = 0;
    const operation = async (): Promise<string> => {
      running += 1;
      if (gate.down) {
        most = Math.max(most, running);
        callsWhileDown += 1;
      }
      await Promise.resolve();
      running -= 1;
      if (!up) throw transient();
      return 'ok';
    };
    const all = Array.from({ length: 200 }, () => gate.run(operation, signal));
    await clock.advance(10_000);
    expect(gate.down).toBe(true);
    // 10 s with a back-off of at most half a second: tens of probes, not 200 operations times their own back-off.
    expect(callsWhileDown).toBeLessThan(250);
    const before = callsWhileDown;
    await clock.advance(5_000);
    expect(callsWhileDown - before).toBeLessThan(30);
    up = true;
    await clock.advance(600);
    await expect(Promise.all(all)).resolves.toHaveLength(200);
    expect(observer.of('outage-began')).toHaveLength(1);
    expect(observer.of('outage-ended')).toHaveLength(1);
  });

  it('does not let one operation that always fails hold up the others for longer than a back-off', async () => {
    const { gate, clock, controller, signal } = setUp();
    const culprit = gate.run(() => Promise.reject(transient()), signal).catch((error: unknown) => error);
    await clock.advance(3_000);
    expect(gate.down).toBe(true);
    const other = gate.run(() => Promise.resolve('fine'), signal);
    await clock.advance(1_000);
    await expect(other).resolves.toBe('fine');
    controller.abort();
    await settled();
    await expect(culprit).resolves.toMatchObject({ kind: 'aborted' });
  });

  it('leaves at once when the caller gives up', async () => {
    const { gate, clock, signal } = setUp();
    const endless = gate.run(() => Promise.reject(transient()), signal).catch(() => undefined);
    await clock.advance(2_000);
    const mine = new AbortController();
    const waiting = gate.run(() => Promise.resolve(1), mine.signal);
    mine.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
    void endless;
  });
});
