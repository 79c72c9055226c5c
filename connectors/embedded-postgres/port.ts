import { createServer } from 'node:net';

const listen = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const got = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(got));
    });
  });

/** The preferred port if it is free on loopback, otherwise one the system names. */
export async function freePort(preferred: number): Promise<number> {
  const port = (await listen(preferred)) ?? (await listen(0));
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  return port;
}
