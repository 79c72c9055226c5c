import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Api } from './app.ts';

/**
 * Makes `close` end. Node waits for every connection, and closes at once only those that already had a request: one that a browser or a
 * connection pool opened ahead of need would hold a shutdown for a minute. So sockets without a running request are closed at once, and
 * requests get a grace to finish in.
 */
export function closeConnections(app: Api, graceMs: number): void {
  const running = trackRequests(app.server);
  app.addHook('preClose', async () => {
    for (const [socket, requests] of running) if (requests === 0) socket.destroy();
    const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
    timer.unref();
    app.server.once('close', () => clearTimeout(timer));
  });
}

/** Requests running per open socket. */
function trackRequests(server: Server): ReadonlyMap<Socket, number> {
  const running = new Map<Socket, number>();
  const add = (socket: Socket, change: number): void => {
    const requests = running.get(socket);
    if (requests !== undefined) running.set(socket, requests + change);
  };
  server.on('connection', (socket: Socket) => {
    running.set(socket, 0);
    socket.once('close', () => running.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    add(socket, 1);
    response.once('close', () => add(socket, -1));
  });
  return running;
}
