import { describe } from 'vitest';
import { itKeepsItsPromises } from './seeds.ts';

describe('the pipeline in a group whose partitions wander', () => {
  itKeepsItsPromises('group', 120);
  itKeepsItsPromises('hot-group', 60);
  itKeepsItsPromises('group-poison', 80);
});
