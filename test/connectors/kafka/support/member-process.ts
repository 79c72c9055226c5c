// One member of a group as a process of its own, so that it can be frozen. Prints what happens to it.
import { kindOf } from '../../../../src/domain/errors.ts';
import { openWorld } from './real.ts';
import { createMemoryCheckpoints } from '../../../../connectors/memory/checkpoints.ts';

const [broker = '', topic = '', groupId = ''] = process.argv.slice(2);
const world = await openWorld([broker]);
const source = world.source({ topics: [topic], groupId, checkpoints: createMemoryCheckpoints() });
source.onRevoked(async (_, how) => console.log(how));
let last = -1;
let told = 0;
setInterval(() => {
  for (const { code, message } of world.observer.of('source').slice(told)) console.log(`${code} ${message}`);
  told = world.observer.of('source').length;
  void source.freshness().then(({ partitions }) => {
    if (partitions.length !== last) console.log(`partitions ${(last = partitions.length)}`);
  });
}, 50);
try {
  for await (const delivery of source.read(new AbortController().signal)) {
    console.log('record');
    // It may be frozen with a commit on its way; a pipeline would try again.
    await source.commit([delivery.position]).catch((error: unknown) => {
      if (kindOf(error) !== 'transient') throw error;
    });
  }
} catch (error) {
  console.log(`failed ${String(error)}`);
}
