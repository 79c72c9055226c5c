// Starts the embedded server in a process of its own, tells where it is, and waits to be ended.
import { startEmbeddedPostgres } from '../../../connectors/embedded-postgres/index.ts';

const dataDir = process.argv[2] ?? '';
const log: string[] = [];
const server = await startEmbeddedPostgres({ dataDir, onLog: (line) => log.push(line) });
process.stdout.write(`${JSON.stringify({ port: server.port, pid: server.pid, clusterDir: server.clusterDir, log })}\n`);
process.stdin.resume();
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
