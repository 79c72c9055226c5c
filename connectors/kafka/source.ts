import type { Delivery, Position } from '../../src/domain/change.ts';
import { abortedError, FreshetError, kindOf } from '../../src/domain/errors.ts';
import type { RecordFetch } from '../../src/ports/record-fetch.ts';
import type { RevokedListener, Source, SourceFreshness, TokenSource } from '../../src/ports/source.ts';
import { backoffMs, RECOVERY_BACKOFF } from '../../src/runtime/backoff.ts';
import type { KafkaClient } from './client/client.ts';
import { within } from './client/deadline.ts';
import { createKafkaClient } from './client/index.ts';
import { clientLog } from './client-log.ts';
import { Coverage } from './coverage.ts';
import { freshnessOf } from './freshness.ts';
import { incompleteTopics, type Say } from './identify.ts';
import { DEFAULT_KAFKA_LIMITS, type KafkaLimits, type KafkaSourceOptions } from './options.ts';
import { Reading } from './reading.ts';
import type { DecodedRecord } from './record.ts';
import type { BufferedRecord } from './record-buffer.ts';
import { fetchRecord, parsePartition } from './record-fetch.ts';
import { SnapshotEnds } from './snapshot-ends.ts';
import { StateStore } from './state.ts';
import { decodeToken, encodeToken } from './tokens.ts';
import { isWanted, matchingTopics } from './topics.ts';

export interface KafkaSource extends Source, TokenSource, RecordFetch {
  /** From `beginning` (or `snapshot`): all instances of the group read their topics again, in the same epoch. */
  replay(from: string): Promise<{ readonly message: string }>;
}

/**
 * Debezium's topics, or others a decoder understands, by a consumer group. Nothing is connected before `read`, a token or a look-up.
 * @param client for tests; by default kafkajs on `options.connection`
 */
export function createKafkaSource(options: KafkaSourceOptions, client?: KafkaClient): KafkaSource {
  const limits = { ...DEFAULT_KAFKA_LIMITS, ...options.limits };
  return new TopicsSource(options, limits, client ?? createKafkaClient(options.connection, limits, clientLog(options)));
}

class TopicsSource implements KafkaSource {
  readonly name: string;
  readonly #options: KafkaSourceOptions;
  readonly #limits: KafkaLimits;
  readonly #client: KafkaClient;
  readonly #store: StateStore;
  readonly #reading: Reading;
  readonly #coverage: Coverage;
  readonly #snapshots: SnapshotEnds;
  readonly #closed = new AbortController();
  #isReading = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: KafkaSourceOptions, limits: KafkaLimits, client: KafkaClient) {
    this.name = options.name;
    this.#options = options;
    this.#limits = limits;
    this.#client = client;
    this.#store = new StateStore(options.checkpoints, options.name);
    this.#reading = new Reading(options, limits, client, this.#store, this.#say, {
      identified: async (state) => {
        await Promise.all([this.#snapshots.begin(state.epoch), this.#coverage.begin(state)]);
      },
      settled: () => this.#coverage.settled(),
      sampled: () => this.#coverage.refresh(),
    });
    const { name, clock, groupId } = options;
    const reading = this.#reading;
    this.#snapshots = new SnapshotEnds({
      name,
      tables: options.tables.map(({ id }) => id),
      store: this.#store,
      clock,
      ends: () => client.log.offsets(reading.topics.found, 'end'),
    });
    this.#coverage = new Coverage({
      name,
      groupId,
      log: client.log,
      store: this.#store,
      clock,
      say: this.#say,
      partitions: () => reading.partitions,
      topics: () => this.#topics(),
      hasOthers: () => reading.partitions.length < reading.topics.partitions,
      isAwaited: () => this.#snapshots.isPending,
      settled: (settled) => {
        if (this.#snapshots.check(settled)) reading.buffer.nudge();
      },
    });
  }

  async *read(signal: AbortSignal): AsyncGenerator<Delivery> {
    if (this.#isReading) {
      throw new FreshetError('READ_TWICE', 'fatal', `Source "${this.name}" is read already.`);
    }
    this.#isReading = true;
    if (this.#options.connection.tls?.rejectUnauthorized === false) {
      this.#say(
        'warn',
        'KAFKA_TLS_UNVERIFIED',
        `Source "${this.name}" does not check the certificates of its brokers.`,
      );
    }
    const stopped = new AbortController();
    const lifetime = AbortSignal.any([signal, stopped.signal, this.#closed.signal]);
    const { buffer } = this.#reading;
    lifetime.addEventListener('abort', () => buffer.end(), { once: true });
    if (lifetime.aborted) buffer.end();
    this.#running = this.#reading.run(lifetime).then(
      () => buffer.end(),
      (error: unknown) => buffer.end(kindOf(error) === 'aborted' ? undefined : error),
    );
    try {
      for (;;) {
        const finished = this.#snapshots.take();
        if (finished !== undefined) yield finished;
        const buffered = buffer.poll();
        if (buffered === undefined) {
          if (finished === undefined && !(await buffer.ready())) return;
          continue;
        }
        const decoding = this.#decode(buffered, lifetime);
        const decoded = decoding instanceof Promise ? await decoding : decoding;
        // Meanwhile the partition may have been given up, and its next owner delivers this record.
        if (decoded === undefined || !this.#reading.isActive(buffered.of)) continue;
        yield this.#delivery(buffered, decoded);
      }
    } catch (error) {
      if (kindOf(error) !== 'aborted') throw error;
    } finally {
      stopped.abort();
      this.#reading.hold();
    }
  }

  /** A record that needs nothing from outside is decoded without a turn of the event loop. */
  #decode(buffered: BufferedRecord, signal: AbortSignal): DecodedRecord | Promise<DecodedRecord | undefined> {
    const { decoder, epoch = 0 } = this.#options;
    const first = decoder.decode(buffered.record, epoch, signal);
    if (!(first instanceof Promise) && !isEndOfSnapshot(first)) return first;
    return this.#decodePatiently(first, buffered, signal);
  }

  /** The registry comes back: the record keeps its place. */
  async #decodePatiently(
    first: DecodedRecord | Promise<DecodedRecord>,
    { record, of }: BufferedRecord,
    signal: AbortSignal,
  ): Promise<DecodedRecord | undefined> {
    const { decoder, epoch = 0, clock, observer, random = Math.random } = this.#options;
    let decoding = first;
    for (let attempt = 1; this.#reading.isActive(of); attempt += 1) {
      try {
        const decoded = await decoding;
        if (isEndOfSnapshot(decoded)) await this.#snapshots.seen(decoded.snapshot.table, decoded.snapshot.marker);
        return decoded;
      } catch (error) {
        if (kindOf(error) !== 'transient') throw error;
        const delayMs = backoffMs(attempt, RECOVERY_BACKOFF, random());
        const code = error instanceof FreshetError ? error.code : 'UNEXPECTED';
        observer.emit({ type: 'retry', what: `decoding of ${this.name}`, code, attempt, delayMs });
        await clock.sleep(delayMs, signal);
        decoding = decoder.decode(record, epoch, signal);
      }
    }
    return undefined;
  }

  #delivery({ record, of, bytes }: BufferedRecord, decoded: DecodedRecord): Delivery {
    of.deliver(record, decoded.sourceTime);
    this.#coverage.saw(decoded);
    return {
      position: { partition: of.id, offset: record.offset },
      endsPosition: true,
      event: decoded.event,
      receivedAt: this.#options.clock.now(),
      bytes,
    };
  }

  async commit(positions: readonly Position[]): Promise<void> {
    await this.#reading.commit(positions);
    if (this.#snapshots.isPending) await this.#snapshots.commit(positions.map(({ partition }) => partition));
  }

  onRevoked(listener: RevokedListener): void {
    this.#reading.onRevoked(listener);
  }

  freshness(): Promise<SourceFreshness> {
    const { partitions, buffer, isConnected, hasAssignment } = this.#reading;
    const isFirstCopyIn = hasAssignment && partitions.every((partition) => partition.isFirstCopyIn);
    return Promise.resolve({
      source: this.name,
      connected: isConnected,
      partitions: partitions.map((partition) =>
        freshnessOf(partition, buffer.oldest(partition), this.#coverage.time, this.#options.clock.now()),
      ),
      snapshotFinished: isFirstCopyIn && !this.#snapshots.isPending,
      snapshots: [],
      gauges: {
        assigned_partitions: partitions.length,
        buffered_records: buffer.records,
        buffered_bytes: buffer.bytes,
        epoch: this.#options.epoch ?? 0,
      },
    });
  }

  coveredToken(): string | undefined {
    return this.#coverage.token();
  }

  /** Of what is in the topics. A write that its connector has not sent yet is named by its LSN only. */
  async currentToken(_signal: AbortSignal): Promise<string> {
    return encodeToken(await this.#client.log.offsets(await this.#topics(), 'end'));
  }

  /**
   * An LSN is reached once a change at or above it was read, by whichever instance, and every partition passed the end offsets read after
   * that. So a database in which nothing is written any more keeps it waiting until the time is over, unless a heartbeat table is read too
   * (`heartbeat.action.query`). A `k1.` token has no such limit.
   */
  async reached(token: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const target = decodeToken(token, (topic) => isWanted(this.#options.topics, topic));
    return this.#coverage.reached(target, waitMs, signal, this.#closed.signal);
  }

  record(position: Position, signal: AbortSignal): Promise<Delivery | undefined> {
    const { decoder, clock, epoch = 0 } = this.#options;
    return fetchRecord({ name: this.name, log: this.#client.log, decoder, clock }, position, epoch, signal);
  }

  async isCommitted({ partition, offset }: Position, _signal: AbortSignal): Promise<boolean> {
    const where = parsePartition(this.name, partition);
    if (where === undefined) return true;
    const committed = await this.#client.log.committed(this.#options.groupId, [where.topic]);
    return (committed.get(`${where.topic}/${where.partition}`) ?? 0n) > offset;
  }

  async replay(from: string): Promise<{ readonly message: string }> {
    if (from !== 'beginning' && from !== 'snapshot') {
      throw new FreshetError(
        'REPLAY_OUT_OF_REACH',
        'poison',
        `Source "${this.name}" is replayed from "beginning": every change since then is needed to tell what a row is now.`,
      );
    }
    if (!this.#isReading || this.#closed.signal.aborted || this.#reading.identity === undefined) {
      throw new FreshetError(
        'NOT_READING',
        'poison',
        `Source "${this.name}" is not running, so there is nothing to replay into.`,
      );
    }
    const { rowless } = this.#options;
    const incomplete = await incompleteTopics(this.#client.log, this.#reading.topics.found, rowless);
    const state = (await this.#store.source()) ?? this.#reading.identity;
    await this.#store.saveSource({ ...state, reading: state.reading + 1 });
    this.#reading.rejoin('a replay was asked for');
    const missing =
      incomplete.size === 0
        ? ''
        : ` The first records of ${[...incomplete.keys()].join(', ')} were removed: rows that did not change since are not read again.`;
    return { message: `Source "${this.name}" reads its topics again from their beginning.${missing}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(abortedError());
    await this.#reading.close();
    await within(this.#running, this.#limits.closeMs, undefined);
    await within(Promise.resolve(this.#client[Symbol.asyncDispose]()), this.#limits.closeMs, undefined);
  }

  async #topics(): Promise<readonly string[]> {
    const known = this.#reading.topics.found;
    return known.length > 0
      ? known
      : matchingTopics(this.#options.topics, (await this.#client.log.cluster()).topics.keys());
  }

  readonly #say: Say = (level, code, message) =>
    this.#options.observer.emit({ type: 'source', source: this.name, level, code, message });
}

type EndOfSnapshot = DecodedRecord & Required<Pick<DecodedRecord, 'snapshot'>>;

function isEndOfSnapshot(decoded: DecodedRecord | Promise<DecodedRecord>): decoded is EndOfSnapshot {
  if (decoded instanceof Promise) return false;
  const marker = decoded.snapshot?.marker;
  return marker === 'last' || marker === 'last_in_data_collection';
}
