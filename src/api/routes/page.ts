import { loadAssets } from '../../web/assets.ts';
import type { Api } from '../app.ts';

/** Everything comes from this server, nothing is framed, and no text of a document can become script. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The page holds no data of its own, so it needs no key; what it asks for does. */
export async function pageRoutes(app: Api, webRoot: string): Promise<void> {
  for (const asset of await loadAssets(webRoot)) {
    app.get(
      asset.path,
      { config: { requires: 'public', rateLimit: false }, schema: { hide: true } },
      (request, reply) => {
        void reply.headers({
          etag: asset.etag,
          'cache-control': 'no-cache',
          'content-security-policy': CONTENT_SECURITY_POLICY,
        });
        if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send();
        return reply.type(asset.contentType).send(asset.content);
      },
    );
  }
}
