import { DecoratorHandler, type Agent, type Dispatcher } from 'undici';
import type { Clock } from '../../src/ports/clock.ts';

/** What a refused request said about when to come back. */
export interface RetryAfter {
  ms: number | undefined;
}

/**
 * The agent, for one request whose `Retry-After` the caller wants to know: the Qdrant client keeps only the header's first digit, so it is
 * read here, below it, from the response's own headers.
 */
export function noting(agent: Agent, clock: Clock, into: RetryAfter): Dispatcher {
  return agent.compose(
    (dispatch) => (options, handler) => dispatch(options, new RetryAfterHandler(handler, clock, into)),
  );
}

class RetryAfterHandler extends DecoratorHandler {
  readonly #handler: Dispatcher.DispatchHandlers;
  readonly #clock: Clock;
  readonly #into: RetryAfter;

  constructor(handler: Dispatcher.DispatchHandlers, clock: Clock, into: RetryAfter) {
    super(handler);
    this.#handler = handler;
    this.#clock = clock;
    this.#into = into;
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, text: string): boolean {
    for (let at = 0; at + 1 < headers.length; at += 2) {
      if (headers[at]!.toString('latin1').toLowerCase() === 'retry-after') {
        this.#into.ms = retryAfterMs(headers[at + 1]!.toString('latin1'), this.#clock.now());
      }
    }
    return this.#handler.onHeaders?.(status, headers, resume, text) ?? true;
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. Undefined for anything else. */
export function retryAfterMs(header: string, now: number): number | undefined {
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // `Date.parse` takes nearly anything for a date, "-1" too.
  if (!/^[A-Z][a-z]{2},/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
