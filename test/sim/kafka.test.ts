import { describe } from 'vitest';
import { itKeepsItsPromises } from './seeds.ts';

describe('the pipeline on a log with re-sends, several partitions and restarts', () => {
  itKeepsItsPromises('kafka', 400);
  itKeepsItsPromises('hot', 300);
  itKeepsItsPromises('poison', 300);
});
