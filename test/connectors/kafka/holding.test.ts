import { expect, it } from 'vitest';
import type { GroupMember, TopicOffset } from '../../../connectors/kafka/client/client.ts';
import { Holding, type End } from '../../../connectors/kafka/holding.ts';
import { identify } from '../../../connectors/kafka/identify.ts';
import { DEFAULT_KAFKA_LIMITS, type KafkaSourceOptions } from '../../../connectors/kafka/options.ts';
import { StateStore } from '../../../connectors/kafka/state.ts';
import { createMemoryCheckpoints } from '../../../connectors/memory/checkpoints.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createRecordingObserver } from '../../support/recording-observer.ts';
import { MemoryKafka } from './support/memory-kafka.ts';
import { createTestDecoder, TABLE } from './support/rows.ts';

type Outcome = 'committed' | 'lost';

it('keeps what it was assigned when a commit of the generation before is refused late', async () => {
  const kafka = new MemoryKafka();
  kafka.topic('t', 1);
  const { log } = kafka.client();
  const checkpoints = createMemoryCheckpoints();
  const options: KafkaSourceOptions = {
    name: 'app',
    connection: { brokers: [] },
    groupId: 'g',
    topics: ['t'],
    tables: [{ id: TABLE, fingerprint: 'one' }],
    decoder: createTestDecoder(),
    checkpoints,
    clock: systemClock,
    observer: createRecordingObserver(),
  };
  const store = new StateStore(checkpoints, options.name);
  const nothing = (): void => undefined;
  const own = await identify(options, log, store, nothing);

  let refuse: (outcome: Outcome) => void = nothing;
  let isHeld = false;
  const starts: (readonly TopicOffset[])[] = [];
  const member: GroupMember = {
    start: (at) => void starts.push(at),
    pause: nothing,
    resume: nothing,
    commit: () => (isHeld ? new Promise((resolve) => (refuse = resolve)) : Promise.resolve('committed')),
    leave: () => Promise.resolve(),
  };
  const deps = {
    options,
    limits: DEFAULT_KAFKA_LIMITS,
    log,
    store,
    say: nothing,
    own: () => own,
    member: () => member,
    end: ({ how }: End) => expect.unreachable(`the membership ended: ${how}`),
    settled: nothing,
    backOff: () => Promise.resolve(),
  };
  const holding = new Holding(deps);
  let drained: () => void = nothing;
  holding.onRevoked(() => new Promise((resolve) => (drained = resolve)));
  const assign = (): void =>
    holding.assigned([{ topic: 't', partition: 0 }], Promise.resolve(member), new AbortController().signal);

  assign();
  await expect.poll(() => starts.length).toBe(1);
  isHeld = true;
  const sampled = holding.sample(true);
  await expect.poll(() => refuse).not.toBe(nothing);
  // The group rebalances; what is in flight takes until the deadline, and the next generation begins.
  const givenUp = holding.giveUp('revoking', new AbortController().signal);
  await expect.poll(() => drained).not.toBe(nothing);
  assign();
  refuse('lost');
  await sampled;
  isHeld = false;
  drained();
  await givenUp;
  await expect.poll(() => starts.length).toBe(2);
  expect(holding.hasAssignment).toBe(true);
});
