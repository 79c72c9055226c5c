import { createServer } from 'node:net';

/**
 * Ports that were free a moment ago. All are held until the last is found, so that no two of one call are the same; and each process
 * starts looking at its own end of the range below the one the kernel gives to outgoing connections, so that a component which is down
 * for a moment finds its port free when it comes back.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held: { port: number; release: () => Promise<void> }[] = [];
  try {
    while (held.length < count) {
      const port = next();
      const release = await hold(port);
      if (release !== undefined) held.push({ port, release });
    }
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map(({ release }) => release()));
  }
}

const LOWEST = 20_000;
const COUNT = 12_000;
let offset = (process.pid * 37) % COUNT;

function next(): number {
  offset = (offset + 1) % COUNT;
  return LOWEST + offset;
}

function hold(port: number): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(() => new Promise((done) => server.close(() => done()))));
  });
}
