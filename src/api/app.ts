import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Services } from '../services/services.ts';
import type { Caller, Requirement } from './auth.ts';
import type { DemoPort } from './demo-port.ts';
import type { ApiLimits } from './options.ts';
import { problem } from './problems.ts';
import type { OpenStreams } from './streams.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says who may call it; one that does not fails at start. */
    requires?: Requirement;
  }
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What the routes are built from. */
export interface RouteContext {
  readonly services: Services;
  readonly limits: ApiLimits;
  readonly streams: OpenStreams;
  readonly demo: DemoPort | undefined;
  readonly version: string;
  /** See AuthOptions. */
  readonly principalId: (principal: string) => string;
}

export const TOKEN_HEADER = 'freshet-token';

/** The caller of a route that is not public. */
export function callerOf(request: { readonly caller: Caller | undefined }): Caller {
  if (request.caller === undefined) throw problem('UNAUTHENTICATED', 'Send a valid key.');
  return request.caller;
}

export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Fires when the client goes away before its answer is complete, so that nobody works for no one. */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
