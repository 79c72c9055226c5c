import { coalesce } from './coalesce.ts';
import { decide } from './decide.ts';
import { diffChunks } from './diff.ts';
import { handOver } from './hand-over.ts';

/** The decisions of the pipeline, in one place so that the simulation can show what breaks when one of them is changed. */
export interface Rules {
  readonly coalesce: typeof coalesce;
  readonly decide: typeof decide;
  readonly diffChunks: typeof diffChunks;
  readonly handOver: typeof handOver;
}

export const RULES: Rules = { coalesce, decide, diffChunks, handOver };
