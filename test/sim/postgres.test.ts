import { describe } from 'vitest';
import { itKeepsItsPromises } from './seeds.ts';

describe('the pipeline on a replication slot with snapshots and epochs', () => {
  itKeepsItsPromises('postgres', 400);
  itKeepsItsPromises('hot-postgres', 300);
  itKeepsItsPromises('poison-postgres', 300);
});
