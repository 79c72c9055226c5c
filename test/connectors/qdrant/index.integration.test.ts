import { afterAll, beforeAll } from 'vitest';
import { describeCheckpoints } from '../../contracts/checkpoints.contract.ts';
import { describeIndex } from '../../contracts/index.contract.ts';
import { startQdrant, type QdrantServer } from '../../support/qdrant/double.ts';
import { openTestIndex } from './support.ts';

let server: QdrantServer;
beforeAll(async () => {
  server = await startQdrant();
});
afterAll(() => server[Symbol.asyncDispose]());

describeIndex('qdrant', ({ dimensions }) => openTestIndex(server.url, { dimensions }));

describeCheckpoints('qdrant', async () => {
  const context = await openTestIndex(server.url, { dimensions: 8 });
  return { checkpoints: context.index, [Symbol.asyncDispose]: () => context[Symbol.asyncDispose]() };
});
