import { describeIndex } from '../../contracts/index.contract.ts';
import { describeCheckpoints } from '../../contracts/checkpoints.contract.ts';
import { openTestIndex } from './support.ts';

describeIndex('sqlite', openTestIndex);

describeCheckpoints('sqlite', async () => {
  const context = await openTestIndex({ dimensions: 8 });
  return { checkpoints: context.index, [Symbol.asyncDispose]: () => context[Symbol.asyncDispose]() };
});
