import { describe } from 'vitest';
import { itKeepsItsPromises } from './seeds.ts';

describe('the pipeline beside a sweeper, with work that takes longer than the sweeper waits', () => {
  itKeepsItsPromises('slow', 150);
  itKeepsItsPromises('sweeping', 150);
  itKeepsItsPromises('stalls', 100);
  itKeepsItsPromises('stalls-postgres', 100);
});
