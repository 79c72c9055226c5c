import { createMemoryCheckpoints } from '../../../connectors/memory/checkpoints.ts';
import { createMemoryDeadLetters } from '../../../connectors/memory/dead-letters.ts';
import { createMemoryIndex } from '../../../connectors/memory/memory-index.ts';
import { describeCheckpoints } from '../../contracts/checkpoints.contract.ts';
import { describeDeadLetters } from '../../contracts/dead-letters.contract.ts';
import { describeIndex } from '../../contracts/index.contract.ts';

const nothingToClose = { [Symbol.asyncDispose]: () => Promise.resolve() };

describeIndex('memory', ({ dimensions }) =>
  Promise.resolve({
    index: createMemoryIndex({ dimensions }),
    lexical: { stems: false, segments: false },
    ...nothingToClose,
  }),
);

describeDeadLetters('memory', () => Promise.resolve({ deadLetters: createMemoryDeadLetters(), ...nothingToClose }));

describeCheckpoints('memory', () => Promise.resolve({ checkpoints: createMemoryCheckpoints(), ...nothingToClose }));
