import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { registerCodecs } from '../../../connectors/kafka/client/codecs.ts';
import { asFreshetError, isMembershipLost } from '../../../connectors/kafka/client/errors.ts';
import { kafkaConfig } from '../../../connectors/kafka/client/kafka.ts';
import { logCreator, quietly, type ClientLog } from '../../../connectors/kafka/client/log.ts';
import { clientCredentialsToken } from '../../../connectors/kafka/client/oauth.ts';
import { committedOnly, type RawMessage } from '../../../connectors/kafka/client/records.ts';
import { resume, type Observed } from '../../../connectors/kafka/epoch.ts';
import { PartitionProgress } from '../../../connectors/kafka/partition-progress.ts';
import { RecordBuffer } from '../../../connectors/kafka/record-buffer.ts';
import type { KafkaRecord } from '../../../connectors/kafka/record.ts';
import type { PartitionState } from '../../../connectors/kafka/state.ts';
import { decodeToken, encodeToken } from '../../../connectors/kafka/tokens.ts';
import { matchingTopics } from '../../../connectors/kafka/topics.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const where = { topic: 't', partition: 0 };
const stored: PartitionState = { cluster: 'c', epoch: 1, reading: 0, partitions: 4, next: 50n, end: 80n, backlog: 0n };
const observed: Observed = { cluster: 'c', partitions: 4, earliest: 0n, end: 100n, committed: 50n, witness: 'same' };
const wanted = { epoch: 1, reading: 0, start: 0n };

describe('where a partition is taken up', () => {
  it.each<[string, Partial<PartitionState> | undefined, Partial<Observed>, Partial<typeof wanted>, bigint]>([
    ['at the committed offset', {}, {}, {}, 50n],
    ['at the index’s own where it is behind, as after a restore', { next: 20n }, {}, {}, 20n],
    ['at the group’s where that is behind', {}, { committed: 30n }, {}, 30n],
    ['at the index’s own where the group has none any more', {}, { committed: undefined }, {}, 50n],
    ['past what was removed, if all of it was indexed', {}, { committed: 10n, earliest: 40n }, {}, 40n],
    ['at the start asked for, when nothing was ever read', undefined, { committed: undefined }, { start: 70n }, 70n],
    [
      'at the group’s, where an empty index meets a group that has read less',
      undefined,
      { committed: 20n },
      { start: 70n },
      20n,
    ],
    ['at the start for an empty index, whatever its group has read', undefined, { committed: 60n }, {}, 0n],
    ['at the start, beside a group’s offset of another log', undefined, { committed: 500n }, { start: 3n }, 3n],
    [
      'at the start in a new epoch, whatever the old log was',
      { epoch: 0, cluster: 'x', next: 999n },
      { committed: 500n },
      {},
      0n,
    ],
    ['at the beginning for a new reading', {}, { earliest: 5n }, { reading: 1 }, 5n],
    ['never past the end', undefined, {}, { start: 400n }, 50n],
  ])('%s', (_, state, seen, want, at) => {
    const before = state === undefined ? undefined : { ...stored, ...state };
    expect(resume(where, before, { ...observed, ...seen }, { ...wanted, ...want }).at).toBe(at);
  });

  it.each<[string, string, Partial<PartitionState>, Partial<Observed>, Partial<typeof wanted>]>([
    ['another cluster', 'KAFKA_CLUSTER_CHANGED', {}, { cluster: 'other' }, {}],
    ['more partitions', 'KAFKA_PARTITIONS_CHANGED', {}, { partitions: 5 }, {}],
    ['an end below what was read', 'KAFKA_TOPIC_RECREATED', {}, { end: 40n, committed: 40n }, {}],
    ['an end below one seen before', 'KAFKA_TOPIC_RECREATED', {}, { end: 70n }, {}],
    ['a committed offset past the end', 'KAFKA_TOPIC_RECREATED', {}, { committed: 101n }, {}],
    ['another record in the place of one read', 'KAFKA_TOPIC_RECREATED', {}, { witness: 'another' }, {}],
    ['records removed before they were read', 'KAFKA_OFFSETS_LOST', {}, { earliest: 51n }, {}],
    ['an epoch below the stored one', 'KAFKA_EPOCH_LOWERED', {}, {}, { epoch: 0 }],
  ])('not at all on %s, which is %s and says the way out', (_, code, state, seen, want) => {
    try {
      resume(where, { ...stored, ...state }, { ...observed, ...seen }, { ...wanted, ...want });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code, kind: 'fatal' });
      expect(String(error)).toMatch(/epoch/);
    }
  });
});

const record = (offset: number, bytes = 0): KafkaRecord => ({
  ...where,
  offset: BigInt(offset),
  timestamp: offset,
  key: null,
  value: Buffer.alloc(bytes),
  headers: {},
});

describe('the progress of a partition', () => {
  const progress = (): PartitionProgress => new PartitionProgress('app', where, { ...stored, next: 0n }, 0n, 0n);

  it('is settled past markers behind the last record, but never past a record that is being decoded', () => {
    const one = progress();
    const buffer = new RecordBuffer(
      { bufferBytes: 1e6, partitionBufferBytes: 1e6 },
      () => undefined,
      () => undefined,
    );
    one.fetched = 5n;
    buffer.push(one, [record(0), record(2)], [one]);
    one.deliver(buffer.poll()!.record, undefined);
    buffer.poll();
    one.settle(0n);
    expect(one.settled).toBe(1n);
    one.deliver(record(2), undefined);
    one.settle(2n);
    expect(one.settled).toBe(5n);
  });

  it('is never settled past what was dropped from the buffer when it was given up', () => {
    const one = progress();
    const buffer = new RecordBuffer(
      { bufferBytes: 1e6, partitionBufferBytes: 1e6 },
      () => undefined,
      () => undefined,
    );
    one.fetched = 6n;
    buffer.push(one, [record(0), record(1), record(2)], [one]);
    buffer.push(one, [record(4)], [one]);
    one.deliver(buffer.poll()!.record, undefined);
    buffer.clear();
    // What was delivered is drained, and committed.
    one.settle(0n);
    expect(one.settled).toBe(1n);
    expect(one.state.next).toBe(1n);
  });

  it('ignores what was never delivered and what is older', () => {
    const one = progress();
    one.fetched = 3n;
    one.deliver(record(0), undefined);
    one.deliver(record(1), undefined);
    expect(one.settle(2n)).toBe(false);
    expect(one.settle(1n)).toBe(true);
    expect(one.settle(0n)).toBe(false);
  });

  it('remembers a settled record, to know its log again', () => {
    const one = progress();
    one.fetched = 2n;
    one.deliver(record(0), undefined);
    one.deliver(record(1, 3), undefined);
    one.settle(0n);
    expect(one.state.witness?.offset).toBe(0n);
    one.settle(1n);
    expect(one.state.witness?.offset).toBe(1n);
  });
});

describe('the buffer between fetching and reading', () => {
  it('pauses a partition that is full, all when the whole is, and goes on below half', () => {
    const paused: string[][] = [];
    const resumed: string[][] = [];
    const names = (list: readonly { readonly partition: number }[]): string[] =>
      list.map(({ partition }) => String(partition));
    const buffer = new RecordBuffer(
      { bufferBytes: 10_000, partitionBufferBytes: 4_000 },
      (list) => paused.push(names(list)),
      (list) => resumed.push(names(list)),
    );
    const [a, b] = [0, 1].map(
      (partition) => new PartitionProgress('app', { topic: 't', partition }, stored, 0n, 0n),
    ) as [PartitionProgress, PartitionProgress];
    const four = [0, 1, 2, 3].map((n) => record(n, 800));
    buffer.push(a, four, [a, b]);
    expect(paused).toEqual([['0']]);
    buffer.push(b, four, [a, b]);
    buffer.push(b, four, [a, b]);
    expect(paused).toEqual([['0'], ['1']]);
    for (let n = 0; n < 7; n += 1) buffer.poll();
    expect(resumed).toEqual([]);
    buffer.poll();
    expect(resumed.flat()).toEqual(['0']);
    while (buffer.poll() !== undefined);
    expect(resumed.flat()).toEqual(['0', '1']);
    expect(buffer.bytes).toBe(0);
  });

  it('ends a wait, with the error if there is one', async () => {
    const buffer = new RecordBuffer(
      { bufferBytes: 1, partitionBufferBytes: 1 },
      () => undefined,
      () => undefined,
    );
    const waiting = buffer.ready();
    buffer.end(new FreshetError('X', 'fatal', 'x'));
    await expect(waiting).rejects.toMatchObject({ code: 'X' });
  });
});

describe('topics and tokens', () => {
  it('match whole names, and never the broker’s own by a pattern', () => {
    const there = ['app.public.a', 'app.public.b', 'xapp.public.c', '__consumer_offsets', 'plain'];
    expect(matchingTopics(['plain', /app\.public\..*/], there)).toEqual(['app.public.a', 'app.public.b', 'plain']);
    expect(matchingTopics([/.*/], there)).not.toContain('__consumer_offsets');
  });

  it('name end offsets by topic and partition, and nothing of another source', () => {
    const ends = new Map([
      ['t/0', 5n],
      ['t/2', 9_007_199_254_740_000n],
    ]);
    const token = encodeToken(ends);
    expect(decodeToken(token, (topic) => topic === 't')).toEqual({ kind: 'ends', ends });
    expect(() => decodeToken(token, () => false)).toThrow(/no token of this Kafka source/);
    expect(decodeToken('16/B374D848', () => true)).toEqual({ kind: 'lsn', lsn: 0x16b374d848n });
    for (const bad of ['k1.', 'k1.bnVsbA', 'k1.eyJ0IjpbLTFdfQ', 'x'])
      expect(() => decodeToken(bad, () => true)).toThrow(FreshetError);
  });
});

describe('what kafkajs brings', () => {
  it.each([
    [
      'snappy',
      2,
      'glNOQVBQWQAAAAABAAAAAQAAAFR7oJ4BAAAAAZABeyJ0ZXh0IjoidGhlIHF1aWNrIGJyb3duIGZveCwgdGhlkhUAJCJ9AFIAlgECAUQVUCRqdW1wcyBvdmVyBUYobGF6eSBkb2cifQA=',
      123,
    ],
    [
      'lz4',
      3,
      'BCJNGGBAglAAAAD/F54BAAAAAZABeyJ0ZXh0IjoidGhlIHF1aWNrIGJyb3duIGZveCwgFQAVlSJ9AFAATAIBRE8AoWp1bXBzIG92ZXJFALBsYXp5IGRvZyJ9AAAAAAA=',
      122,
    ],
    [
      'zstd',
      4,
      'KLUv/QBYlAIAVASeAQAAAAGQAXsidGV4dCI6InRoZSBxdWljayBicm93biBmb3gsICJ9AFIArgECAURqdW1wcyBvdmVybGF6eSBkb2cifQADAEkINIUCOZbzCQEAAA==',
      123,
    ],
  ] as const)(
    'is unpacked from %s as Kafka’s own producer wrote it; damaged, it stops the source',
    async (_, type, data, bytes) => {
      registerCodecs();
      const { decompress } = kafkajs.CompressionCodecs[type]() as { decompress(data: Buffer): Promise<Buffer> };
      const unpacked = await decompress(Buffer.from(data, 'base64'));
      expect(unpacked.length).toBe(bytes);
      expect(unpacked.toString('latin1')).toContain('the quick brown fox, the quick brown fox, the quick brown fox');
      await expect(decompress(Buffer.from('nonsense, and more of it'))).rejects.toMatchObject({
        code: 'KAFKA_BATCH_CORRUPT',
        retriable: false,
      });
    },
  );

  it('is never a record of an aborted transaction, nor a marker', () => {
    const message = (offset: number, producerId: string, more: Partial<RawMessage> = {}): RawMessage => ({
      offset: String(offset),
      timestamp: '0',
      key: null,
      value: null,
      batchContext: { producerId, inTransaction: true },
      ...more,
    });
    const messages = [
      message(0, 'a'),
      message(1, 'b'),
      message(2, 'a', { isControlRecord: true, key: Buffer.from([0, 0, 0, 0]) }),
      message(3, 'a'),
      message(4, 'c', { batchContext: { producerId: 'a', inTransaction: false } }),
    ];
    const kept = committedOnly(messages, [{ producerId: 'a', firstOffset: '0' }]).map(({ offset }) => offset);
    expect(kept).toEqual(['1', '3', '4']);
  });

  it('is told apart by what happens next: wait, give way, stop', () => {
    const of = (fields: object): Error => Object.assign(new Error('secret text'), fields);
    const wrapped = of({
      name: 'KafkaJSNonRetriableError',
      cause: of({ name: 'KafkaJSProtocolError', type: 'ILLEGAL_GENERATION' }),
    });
    expect(isMembershipLost(wrapped)).toBe(true);
    const kinds = [
      of({ name: 'KafkaJSConnectionError', retriable: true }),
      of({ name: 'KafkaJSProtocolError', type: 'NOT_LEADER_FOR_PARTITION', retriable: true }),
      of({ name: 'KafkaJSSASLAuthenticationError' }),
      of({ name: 'KafkaJSProtocolError', type: 'TOPIC_AUTHORIZATION_FAILED', retriable: false }),
      of({ name: 'KafkaJSNotImplemented' }),
      of({ name: 'TypeError' }),
    ].map((error) => asFreshetError(error, 'read'));
    expect(kinds.map(({ kind }) => kind)).toEqual(['transient', 'transient', 'fatal', 'fatal', 'fatal', 'fatal']);
    expect(kinds.map(({ message }) => message).join()).not.toContain('secret');
  });

  it.each(['Broker not connected', 'Aborted'])(
    'passes, where a broker hangs and kafkajs says "%s" without a name',
    (said) => {
      expect(asFreshetError(new Error(said), 'list offsets')).toMatchObject({
        code: 'KAFKA_UNAVAILABLE',
        kind: 'transient',
      });
    },
  );

  it('can be stopped by its own log line, and nothing else of it is passed on', () => {
    const entries: ClientLog[] = [];
    const log = logCreator((entry) => entries.push(entry))();
    log({
      namespace: 'ConsumerGroup',
      level: 1,
      label: 'ERROR',
      log: { timestamp: '', message: 'm', topic: 't', partition: 1, payload: 'secret' },
    });
    expect(entries).toEqual([{ level: 'error', part: 'ConsumerGroup', message: 'm', topic: 't', partition: 1 }]);
  });

  it('reports a request that was refused, but not because the group is rebalancing', () => {
    const heard: ClientLog[] = [];
    const log = logCreator(quietly(createManualClock(), 1_000, (entry) => heard.push(entry)))();
    const refused = (namespace: string, error: string): void =>
      log({
        namespace,
        level: kafkajs.logLevel.ERROR,
        label: 'ERROR',
        log: { timestamp: '', message: 'Response Heartbeat(key: 12, version: 3)', error },
      });
    refused('Connection', 'The group is rebalancing, so a rejoin is needed');
    expect(heard).toEqual([]);
    refused('Connection', 'Not authorized to access group');
    expect(heard).toMatchObject([{ level: 'error', part: 'Connection' }]);
  });
});

describe('access', () => {
  it('checks certificates unless told not to, and carries mutual TLS and SASL', () => {
    const config = kafkaConfig({
      brokers: ['a:1'],
      tls: { ca: 'CA', cert: 'C', key: 'K', servername: 'kafka.example' },
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
    });
    expect(config.ssl).toEqual({
      ca: 'CA',
      cert: 'C',
      key: 'K',
      servername: 'kafka.example',
      rejectUnauthorized: true,
    });
    expect(config.sasl).toEqual({ mechanism: 'scram-sha-512', username: 'u', password: 'p' });
    expect(kafkaConfig({ brokers: ['a:1'] }).ssl).toBeUndefined();
  });

  it('asks for one token for all who need it, and for the next before it expires', async () => {
    const clock = createManualClock();
    let asked = 0;
    const fetchLike = async (_: unknown, init?: RequestInit): Promise<Response> => {
      expect(new Headers(init?.headers).get('authorization')).toBe(
        `Basic ${Buffer.from('id:s%2B').toString('base64')}`,
      );
      return Response.json({ access_token: `token ${(asked += 1)}`, expires_in: 100 });
    };
    const token = clientCredentialsToken(
      { tokenUrl: 'https://idp/token', clientId: 'id', clientSecret: 's+' },
      clock,
      fetchLike as typeof fetch,
    );
    const both = await Promise.all([token(), token()]);
    expect(both.map(({ value }) => value)).toEqual(['token 1', 'token 1']);
    await clock.advance(79_000);
    expect((await token()).value).toBe('token 1');
    await clock.advance(2_000);
    expect((await token()).value).toBe('token 2');
  });

  it('tells a refused client from a token endpoint that is away, without its secret', async () => {
    const clock = createManualClock();
    const answering = (status: number) =>
      clientCredentialsToken(
        { tokenUrl: 'https://idp/token', clientId: 'id', clientSecret: 'hush' },
        clock,
        (async () => new Response('hush', { status })) as typeof fetch,
      )();
    await expect(answering(401)).rejects.toMatchObject({
      code: 'KAFKA_TOKEN_REFUSED',
      kind: 'fatal',
      message: expect.not.stringContaining('hush') as string,
    });
    await expect(answering(503)).rejects.toMatchObject({ kind: 'transient' });
  });
});
