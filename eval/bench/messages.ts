/** What the bench and its child processes say to each other. Times are of the system's monotonic clock, in milliseconds. */

export interface ProductStart {
  readonly type: 'start';
  readonly dataDir: string;
  readonly connectionString: string;
  readonly tables: readonly string[];
  readonly slot: string;
  readonly embedder: 'real' | 'synthetic';
  readonly modelPath?: string;
}

export interface BareStart {
  readonly type: 'start';
  readonly connectionString: string;
  readonly table: string;
  readonly slot: string;
}

export type ToChild =
  | ProductStart
  | BareStart
  /** Embed one text by itself, and say how long that took. */
  | { readonly type: 'embed'; readonly text: string; readonly call: number }
  /** Put a change into the bare loop without a database. */
  | { readonly type: 'memory-loop'; readonly perSecond: number; readonly edits: number; readonly call: number }
  | { readonly type: 'usage'; readonly call: number }
  | { readonly type: 'stop' };

export interface OwnTimes {
  readonly receivedMs: number;
  readonly redactedMs: number;
  readonly embeddedMs: number;
  readonly visibleMs: number;
}

export interface Visible {
  readonly type: 'visible';
  readonly document: string;
  /** The newest revision that reading the document back gave. */
  readonly revision: number;
  readonly at: number;
  /** The product's own figures, on the wall clock from the server's commit time; whole milliseconds. */
  readonly own: OwnTimes | undefined;
  readonly chunksEmbedded: number;
}

export interface Usage {
  readonly rssBytes: number;
  readonly cpuMs: number;
  readonly chunks: number;
}

export type FromChild =
  | { readonly type: 'listening'; readonly api: string }
  | { readonly type: 'ready'; readonly at: number }
  | Visible
  | { readonly type: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly message: string };
