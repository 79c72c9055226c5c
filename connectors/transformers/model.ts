/** A model on disk whose files were checked, ready to be loaded. */
export interface LocalModel {
  /** Absolute. Holds `config.json`, `tokenizer.json`, `onnx/model.onnx` and, where the graph says so, its external data. */
  readonly folder: string;
  /** For people: `all-MiniLM-L6-v2`, or the folder's name for a model we do not know. */
  readonly name: string;
  /** Changes whenever any vector could: covers the bytes of graph, weights and tokenizer. The same files elsewhere give the same. */
  readonly digest: string;
  readonly dimensions: number;
  /** Longest text the model takes, special tokens not counted. */
  readonly maxTextTokens: number;
  readonly externalData: boolean;
}
