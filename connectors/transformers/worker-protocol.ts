/** What the main thread and an embedding worker say to each other. Token ids go in, vectors come out; no text crosses. */
export type Device = 'cpu' | 'cuda';

export interface WorkerSettings {
  readonly device: Device;
  readonly folder: string;
  readonly externalData: boolean;
  readonly paddingId: number;
  readonly dimensions: number;
  readonly intraOpThreads: number;
}

export interface EmbedRequest {
  readonly job: number;
  /** Ids of all texts one after the other, special tokens included. Transferred. */
  readonly ids: Int32Array<ArrayBuffer>;
  /** Ids per text. Transferred. */
  readonly lengths: Int32Array<ArrayBuffer>;
}

export type WorkerAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'failed-to-load'; readonly message: string }
  | { readonly type: 'done'; readonly job: number; readonly vectors: readonly Float32Array<ArrayBuffer>[] }
  | { readonly type: 'refused'; readonly job: number; readonly message: string };
