import type { Logger } from 'pino';
import type { Api } from '../api/app.ts';
import { buildServer } from '../api/server.ts';
import type { FreshetConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';
import { DEFAULT_TENANT, tenantId } from '../domain/ids.ts';
import { findWebRoot } from '../web/assets.ts';
import type { Freshet } from './open.ts';

export interface Served {
  readonly api: string;
  close(): Promise<void>;
}

/**
 * Serves an opened instance over HTTP.
 * @param portIsWanted a port that a person asked for is an error when it is taken; the default one makes way for a free one
 */
export async function serve(
  freshet: Freshet,
  config: FreshetConfig,
  options: {
    readonly logger: Logger;
    readonly version: string;
    readonly portIsWanted: boolean;
    say(line: string): void;
  },
): Promise<Served> {
  const { host, port, apiKeys, allowedHosts, bodyLimit, requestsPerMinute } = config.server;
  const { demo } = freshet.databases;
  const server = await buildServer({
    services: freshet.services,
    auth: {
      host,
      keys: apiKeys.map(({ name, key, tenant, scopes, principals }, at) => ({
        name: name ?? `key ${at + 1}`,
        secret: key,
        tenant: tenantId(tenant),
        scopes,
        ...(principals === undefined ? {} : { principals }),
      })),
      defaultTenant: DEFAULT_TENANT,
      adminToken: freshet.keys.adminToken,
      allowedHosts,
      principalId: freshet.principalId,
    },
    limits: { bodyBytes: bodyLimit, requestsPerMinute },
    ...(demo === undefined ? {} : { demo }),
    metrics: freshet.registry,
    logger: options.logger,
    version: options.version,
    webRoot: findWebRoot(),
  });
  const api = await listen(server, host, port, options);
  return { api, close: () => server.close().then(() => undefined) };
}

async function listen(
  server: Api,
  host: string,
  port: number,
  { portIsWanted, say }: { readonly portIsWanted: boolean; say(line: string): void },
): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' && !portIsWanted) {
      const api = await server.listen({ host, port: 0 });
      say(`Port ${port} is taken, so this one answers at ${api} instead.`);
      return api;
    }
    throw new FreshetError(
      'LISTEN_FAILED',
      'fatal',
      code === 'EADDRINUSE'
        ? `Port ${port} on ${host} is taken by another program. Choose another with --port, or 0 for any free one.`
        : `The API cannot listen on ${host}:${port} (${code ?? 'unknown error'}). Check server.host and server.port.`,
      { cause, details: { host, port } },
    );
  }
}
