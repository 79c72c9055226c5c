// One member of a group as a process of its own, so that it can be frozen. Prints what happens to it.
import { openWorld } from './real.ts';
import { createMemoryCheckpoints } from '../../../../connectors/memory/checkpoints.ts';

const [broker = '', topic = '', groupId = ''] = process.argv.slice(2);
const world = await openWorld([broker]);
const source = world.source({ topics: [topic], groupId, checkpoints: createMemoryCheckpoints() });
source.onRevoked(async (_, how) => console.log(how));
let last = -1;
setInterval(() => {
  void source.freshness().then(({ partitions }) => {
    if (partitions.length !== last) console.log(`partitions ${(last = partitions.length)}`);
  });
}, 50);
try {
  for await (const delivery of source.read(new AbortController().signal)) {
    console.log('record');
    await source.commit([delivery.position]);
  }
} catch (error) {
  console.log(`failed ${String(error)}`);
}
