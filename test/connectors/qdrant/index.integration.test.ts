import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import { describeCheckpoints } from '../../contracts/checkpoints.contract.ts';
import { describeIndexSearch } from '../../contracts/index-search.contract.ts';
import { describeIndex } from '../../contracts/index.contract.ts';
import { startQdrant, type QdrantServer } from '../../support/qdrant/double.ts';
import { openTestIndex, type QdrantContext } from './support.ts';

let server: QdrantServer;
beforeAll(async () => {
  server = await startQdrant();
});
afterAll(() => server[Symbol.asyncDispose]());

describeIndex('qdrant', ({ dimensions }) => openTestIndex(server.url, { dimensions }));

// The double has one shard whatever it is told; the requests are those for several.
describe('qdrant, asked as over several shards', () => {
  let context: QdrantContext;
  beforeEach(async () => {
    context = await openTestIndex(server.url, { dimensions: 8, shards: 3 });
  });
  afterEach(() => context[Symbol.asyncDispose]());
  describeIndexSearch(() => context);
});

describeCheckpoints('qdrant', async () => {
  const context = await openTestIndex(server.url, { dimensions: 8 });
  return { checkpoints: context.index, [Symbol.asyncDispose]: () => context[Symbol.asyncDispose]() };
});
