import type { Api } from './app.ts';
import { authorise, createAuthenticator, credentialOf } from './auth.ts';
import { judgeOrigin } from './loopback.ts';
import type { AuthOptions } from './options.ts';
import { problem } from './problems.ts';

/**
 * Who asks is found out first (onRequest), so that the rate limit can count by key; whether they may is decided after it (preParsing) and
 * before a byte of the body is read.
 */
export function guardRequests(app: Api, auth: AuthOptions): void {
  const authenticator = createAuthenticator(auth);

  app.decorateRequest('caller', undefined);

  app.addHook('onRoute', (route) => {
    if (route.config?.requires === undefined)
      throw new Error(`Route ${route.url} does not say who may call it (config.requires).`);
  });

  app.addHook('onRequest', async (request) => {
    if (authenticator.open) checkOrigin(request, auth.allowedHosts ?? []);
    request.caller = authenticator.identify(credentialOf(request.headers));
  });

  app.addHook('preParsing', async (request) => {
    if (!request.is404) authorise(request.caller, request.routeOptions.config.requires ?? 'admin');
  });
}

function checkOrigin(
  { method, headers }: { readonly method: string; readonly headers: NodeJS.Dict<string | string[]> },
  allowedHosts: readonly string[],
): void {
  const single = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' ? value : value?.join();
  };
  const verdict = judgeOrigin(
    { method, host: single('host'), origin: single('origin'), fetchSite: single('sec-fetch-site') },
    allowedHosts,
  );
  if (verdict === 'host') {
    throw problem(
      'HOST_FORBIDDEN',
      'Without API keys this instance answers for localhost only. Add the name to the allowed hosts, or use a key.',
    );
  }
  if (verdict === 'origin') {
    throw problem('ORIGIN_FORBIDDEN', 'Without API keys only this instance’s own page may call it from a browser.');
  }
}
