import { expect, it } from 'vitest';
import { tableId } from '../../src/domain/ids.ts';
import { logLineOf } from '../../src/observability/log-lines.ts';

it('the line of a dead letter names the table, where there is one, and the code', () => {
  const event = {
    type: 'dead-lettered',
    source: 'app',
    document: undefined,
    stage: 'map',
    code: 'X',
    attempts: 1,
  } as const;
  const { message } = logLineOf({ ...event, table: tableId('app.public.notes') });
  expect(message).toBe('A change of app.public.notes could not be processed (X in map); it waits in the dead letters.');
  expect(logLineOf({ ...event, table: undefined }).message).toMatch(/^A change could not/);
});

it('a retry of a source is no second line beside the one in which it says why', () => {
  const retry = { type: 'retry', code: 'X', attempt: 9, delayMs: 7_000 } as const;
  expect(logLineOf({ ...retry, what: 'source app' }).level).toBe('debug');
  expect(logLineOf({ ...retry, what: 'embedder' }).level).toBe('warn');
});
