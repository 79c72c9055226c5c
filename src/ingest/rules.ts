import { coalesce } from './coalesce.ts';
import { decide } from './decide.ts';
import { diffChunks } from './diff.ts';

/** The pure decisions of the pipeline, in one place so that the simulation can show what breaks when one of them is changed. */
export interface Rules {
  readonly coalesce: typeof coalesce;
  readonly decide: typeof decide;
  readonly diffChunks: typeof diffChunks;
}

export const RULES: Rules = { coalesce, decide, diffChunks };
