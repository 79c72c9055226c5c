import type { Index } from '../../src/ports/index-store.ts';

export interface IndexContext extends AsyncDisposable {
  readonly index: Index;
  /** What the adapter's lexical side can do; a plain word match needs none of it. */
  readonly lexical: {
    /** `running` finds `runs`. */
    readonly stems: boolean;
    /** Text without spaces (Chinese, Japanese, Thai) is found by its words. */
    readonly segments: boolean;
  };
}
