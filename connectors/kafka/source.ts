import type { Delivery, Position } from '../../src/domain/change.ts';
import { abortedError, FreshetError, kindOf } from '../../src/domain/errors.ts';
import type { RecordFetch } from '../../src/ports/record-fetch.ts';
import type { RevokedListener, Source, SourceFreshness, TokenSource } from '../../src/ports/source.ts';
import { backoffMs, RECOVERY_BACKOFF } from '../../src/runtime/backoff.ts';
import type { KafkaClient, Offsets } from './client/client.ts';
import { within } from './client/deadline.ts';
import { createKafkaClient } from './client/index.ts';
import { freshnessOf } from './freshness.ts';
import { Horizon } from './horizon.ts';
import { incompleteTopics, type Say } from './identify.ts';
import { DEFAULT_KAFKA_LIMITS, type KafkaLimits, type KafkaSourceOptions } from './options.ts';
import { Reading } from './reading.ts';
import type { DecodedRecord } from './record.ts';
import type { BufferedRecord } from './record-buffer.ts';
import { fetchRecord, parsePartition } from './record-fetch.ts';
import { SnapshotEnds } from './snapshot-ends.ts';
import { StateStore } from './state.ts';
import { decodeToken, encodeToken, isCovered, type TokenTarget } from './tokens.ts';
import { isWanted, matchingTopics } from './topics.ts';

export interface KafkaSource extends Source, TokenSource, RecordFetch {
  /** From `beginning` (or `snapshot`): all instances of the group read their topics again, in the same epoch. */
  replay(from: string): Promise<{ readonly message: string }>;
}

/** Between looks at what other instances committed, while somebody waits for it. */
const POLL_MS = 100;

/**
 * Debezium's topics, or others a decoder understands, by a consumer group. Nothing is connected before `read`, a token or a look-up.
 * @param client for tests; by default kafkajs on `options.connection`
 */
export function createKafkaSource(options: KafkaSourceOptions, client?: KafkaClient): KafkaSource {
  const limits = { ...DEFAULT_KAFKA_LIMITS, ...options.limits };
  return new TopicsSource(options, limits, client ?? createKafkaClient(options.connection, limits));
}

class TopicsSource implements KafkaSource {
  readonly name: string;
  readonly #options: KafkaSourceOptions;
  readonly #limits: KafkaLimits;
  readonly #client: KafkaClient;
  readonly #store: StateStore;
  readonly #reading: Reading;
  readonly #horizon = new Horizon();
  readonly #snapshots: SnapshotEnds;
  readonly #closed = new AbortController();
  readonly #waiters = new Set<() => void>();
  /** Callers of `reached`. */
  #waiting = 0;
  /** What other instances committed, as last asked. */
  #group: Offsets = new Map();
  #asking: Promise<void> | undefined;
  #isReading = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: KafkaSourceOptions, limits: KafkaLimits, client: KafkaClient) {
    this.name = options.name;
    this.#options = options;
    this.#limits = limits;
    this.#client = client;
    this.#store = new StateStore(options.checkpoints, options.name);
    this.#reading = new Reading(options, limits, client, this.#store, this.#say, {
      identified: ({ state }) => this.#snapshots.begin(state.epoch, state.pending),
      settled: () => this.#settled(),
      sampled: () => this.#refresh(),
    });
    this.#snapshots = new SnapshotEnds({
      name: options.name,
      tables: options.tables.map(({ id }) => id),
      store: this.#store,
      clock: options.clock,
      ends: () => client.log.offsets(this.#reading.topics, 'end'),
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
    const { event, sourceTime, isHeartbeat = false, lsn } = decoded;
    // Rows that were read carry the time of the reading: nothing about what else was committed before.
    const isExact = sourceTime !== undefined && !isHeartbeat && !(event.kind === 'row-upserted' && event.snapshot);
    of.deliver(record, sourceTime, isExact);
    if (lsn !== undefined || (isHeartbeat && sourceTime !== undefined)) {
      this.#horizon.saw(isHeartbeat ? sourceTime : undefined, lsn);
    }
    return {
      position: { partition: of.id, offset: record.offset },
      endsPosition: true,
      event,
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
        freshnessOf(partition, buffer.oldest(partition), this.#horizon.time, this.#options.clock.now()),
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
    const { partitions } = this.#reading;
    if (partitions.length === 0 && this.#group.size === 0) return undefined;
    return encodeToken(new Map([...this.#group, ...partitions.map(({ key, settled }) => [key, settled] as const)]));
  }

  async currentToken(_signal: AbortSignal): Promise<string> {
    return encodeToken(await this.#client.log.offsets(await this.#topics(), 'end'));
  }

  /**
   * An LSN is reached once a change at or above it was read here, and every partition passed the end offsets read after that. Changes are
   * read by the partition's owner only: where several instances share the group, and none of the table's later changes or heartbeats come
   * this way, the wait ends with false. A `k1.` token has no such limit.
   */
  async reached(token: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const target = decodeToken(token, (topic) => isWanted(this.#options.topics, topic));
    if (this.#isReached(target)) return true;
    const { clock } = this.#options;
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal, this.#closed.signal]);
    const timer = clock.sleep(waitMs, both).then(
      () => over.abort(),
      () => undefined,
    );
    this.#waiting += 1;
    try {
      while (!both.aborted) {
        await this.#refresh().catch((error: unknown) => {
          if (kindOf(error) !== 'transient') throw error;
        });
        if (this.#isReached(target)) return true;
        await this.#settledOrLater(both);
        if (this.#isReached(target)) return true;
      }
      if (signal.aborted) throw abortedError(signal);
      return false;
    } finally {
      this.#waiting -= 1;
      over.abort();
      await timer;
    }
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
    const incomplete = await incompleteTopics(this.#client.log, this.#reading.topics);
    const state = (await this.#store.source()) ?? this.#reading.identity.state;
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

  #isReached(target: TokenTarget): boolean {
    return target.kind === 'lsn' ? (this.#horizon.lsn ?? -1n) >= target.lsn : isCovered(target, this.#settledOf());
  }

  /** What is settled in a partition: here if it is ours, as the group committed it otherwise. */
  #settledOf(): (key: string) => bigint | undefined {
    const ours = new Map(this.#reading.partitions.map(({ key, settled }) => [key, settled]));
    return (key) => ours.get(key) ?? this.#group.get(key);
  }

  /** Asks once for all who wait: end offsets if there is a new sighting, and what the group committed if there are others in it. */
  #refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const { log } = this.#client;
    const topics = await this.#topics();
    if (this.#horizon.wantsEnds) this.#horizon.freeze()(await log.offsets(topics, 'end'));
    const isWaitedFor = this.#waiting > 0 || this.#horizon.isWaiting || this.#snapshots.isPending;
    if (isWaitedFor) this.#group = await log.committed(this.#options.groupId, topics);
    this.#settled();
  }

  #settled(): void {
    const settled = this.#settledOf();
    this.#horizon.check(settled);
    if (this.#snapshots.check(settled)) this.#reading.buffer.nudge();
    for (const wake of this.#waiters) wake();
  }

  /** Until something was settled here, or it is time to ask about others. */
  async #settledOrLater(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiters.add(wake);
    try {
      await this.#options.clock.sleep(POLL_MS, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (kindOf(error) !== 'aborted') throw error;
    } finally {
      this.#waiters.delete(wake);
    }
  }

  async #topics(): Promise<readonly string[]> {
    const known = this.#reading.topics;
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
