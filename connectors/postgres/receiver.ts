import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { clientConfig, quoteIdentifier, quoteLiteral, SESSION_SETTINGS, type ConnectionConfig } from './connection.ts';
import { postgresError, setupError, sqlState } from './errors.ts';
import { FrameQueue, type Queued } from './frame-queue.ts';
import { formatLsn, maxLsn, type Lsn } from './lsn.ts';
import type { Identity } from './server.ts';
import { parseFrame, statusFrame } from './wal-protocol.ts';

/** The part of pg's connection we speak the replication protocol through. */
interface Wire extends EventEmitter {
  readonly stream: Duplex & { readonly destroyed: boolean };
  sendCopyFromChunk(chunk: Buffer): void;
}

export interface ReceiverOptions {
  readonly config: ConnectionConfig;
  readonly name: string;
  readonly clock: Clock;
  /** Bytes received and not processed at which the socket is paused. */
  readonly maxBytes: number;
  /** What may be acknowledged: durable downstream and in our checkpoint. */
  readonly durable: () => Lsn;
}

/** The server answers every status that asks; silence this long, while we read, is a dead connection. */
const SILENCE_MAX_MS = 45_000;

/**
 * One replication connection (protocol 1; streaming and two-phase off: transactions come whole, in commit order, after their commit).
 * Replies to the server never wait for processing.
 */
export class Receiver {
  readonly #client: pg.Client;
  readonly #options: ReceiverOptions;
  readonly #queue: FrameQueue;
  #received: Lsn = 0n;
  #acknowledged: Lsn = 0n;
  #lastHeard: number;
  #streaming = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const config = { ...clientConfig(options.config, options.name), replication: 'database' } as pg.ClientConfig;
    this.#client = new pg.Client(config);
    this.#queue = new FrameQueue(options.maxBytes, (full) =>
      full ? this.#wire.stream.pause() : this.#wire.stream.resume(),
    );
    this.#lastHeard = options.clock.monotonic();
    this.#client.on('error', (error) => this.#queue.fail(postgresError(error, 'replication')));
    this.#client.on('end', () =>
      this.#queue.fail(postgresError(new Error('Connection terminated by the server'), 'replication')),
    );
  }

  get #wire(): Wire {
    return (this.#client as unknown as { connection: Wire }).connection;
  }

  /** Up to here the server has told us all there is. */
  get received(): Lsn {
    return this.#received;
  }

  async connect(): Promise<Identity> {
    try {
      await this.#client.connect();
      await this.#client.query(SESSION_SETTINGS);
      const { rows } = await this.#client.query<{ systemid: string; timeline: number }>('IDENTIFY_SYSTEM');
      const [row] = rows;
      if (row === undefined) throw new Error('IDENTIFY_SYSTEM answered without a row');
      return { systemId: row.systemid, timeline: Number(row.timeline) };
    } catch (error) {
      if (isReplicationRefused(error)) {
        throw setupError(
          'REPLICATION_NOT_ALLOWED',
          `Source "${this.#options.name}": the role may not open a replication connection. Mend: ALTER ROLE <role> REPLICATION (on Amazon RDS: GRANT ` +
            'rds_replication TO <role>), GRANT CONNECT ON DATABASE <database> TO <role>, and a "replication" line in pg_hba.conf.',
        );
      }
      throw postgresError(error, 'opening the replication connection', this.#options.name);
    }
  }

  /** Text of the history file of a timeline. */
  async timelineHistory(timeline: number): Promise<string> {
    try {
      const { rows } = await this.#client.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`);
      return String(rows[0]?.content ?? '');
    } catch (error) {
      throw postgresError(error, 'reading the timeline history');
    }
  }

  /** Resolves once the server has accepted. Never from 0/0: a slot made anew would start somewhere else without a word. */
  async start(slot: string, publication: string, from: Lsn): Promise<void> {
    this.#received = from;
    this.#acknowledged = 0n;
    const wire = this.#wire;
    wire.on('copyData', ({ chunk }: { chunk: Buffer }) => this.#onCopyData(chunk));
    const started = new Promise<void>((resolve) => wire.once('replicationStart', () => resolve()));
    const names = quoteLiteral(quoteIdentifier(publication));
    const running = this.#client
      .query(
        `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${formatLsn(from)} (proto_version '1', publication_names ${names})`,
      )
      .then(() => {
        // The server ends the stream like this when it shuts down.
        throw new Error('Connection terminated by the server');
      });
    const ended = running.catch((error: unknown) => {
      const ours = postgresError(error, 'replication');
      this.#queue.fail(ours);
      throw ours;
    });
    ended.catch(() => undefined);
    await Promise.race([started, ended]);
    this.#streaming = true;
    this.#lastHeard = this.#options.clock.monotonic();
  }

  #onCopyData(chunk: Buffer): void {
    this.#lastHeard = this.#options.clock.monotonic();
    const frame = parseFrame(chunk);
    if (frame === undefined) return;
    if (frame.kind === 'data') {
      // A copy: the driver reuses its buffer.
      this.#queue.push({ kind: 'data', payload: Buffer.from(frame.payload) });
    } else {
      this.#received = maxLsn(this.#received, frame.walEnd);
      this.#queue.push({ kind: 'keepalive', walEnd: frame.walEnd });
      if (frame.replyRequested) this.sendStatus(false);
    }
    if (frame.kind === 'data') this.#received = maxLsn(this.#received, frame.walEnd);
  }

  next(): Promise<Queued> {
    return this.#queue.next();
  }

  /**
   * Reports what was received, and, when it moved, what is durable. While something received is not durable yet the last word is
   * `flushed = 0`: with a lower number there the server's fast shutdown would wait for it for ever, and 0 takes nothing back.
   */
  sendStatus(replyRequested: boolean): void {
    if (!this.#streaming || this.#wire.stream.destroyed) return;
    const durable = this.#options.durable();
    const written = maxLsn(this.#received, durable);
    if (durable > this.#acknowledged) {
      this.#acknowledged = durable;
      this.#send(written, durable, false);
    }
    this.#send(written, durable >= written ? durable : 0n, replyRequested);
  }

  #send(written: Lsn, flushed: Lsn, replyRequested: boolean): void {
    this.#wire.sendCopyFromChunk(statusFrame({ written, flushed, replyRequested }, this.#options.clock.now()));
  }

  /** Throws once the server has been silent for too long although we asked. */
  checkAlive(): void {
    const now = this.#options.clock.monotonic();
    // A paused socket hears nothing, and that is our doing.
    if (this.#queue.isFull) this.#lastHeard = now;
    if (now - this.#lastHeard > SILENCE_MAX_MS) {
      throw new FreshetError(
        'POSTGRES_UNAVAILABLE',
        'transient',
        'PostgreSQL: the replication connection has gone silent.',
      );
    }
  }

  async close(): Promise<void> {
    this.#streaming = false;
    this.#queue.close(new FreshetError('ABORTED', 'aborted', 'The replication connection was closed.'));
    this.#wire.stream.resume();
    await this.#client.end().catch(() => undefined);
  }
}

/** 42501: the role lacks the right; 28000 about replication: pg_hba.conf. Any other 28000 is a login that failed. */
function isReplicationRefused(error: unknown): boolean {
  const state = sqlState(error);
  return state === '42501' || (state === '28000' && /replication connection/i.test((error as Error).message));
}
