import type { FreshetConfig } from '../config/index.ts';
import { createChunker } from '../ingest/chunk/chunker.ts';
import { htmlToText } from '../ingest/chunk/html-to-text.ts';
import { createMapper, type Mapper } from '../ingest/map.ts';
import type { Chunker } from '../ports/chunker.ts';
import { applyColumnPolicy } from '../redaction/column-policy.ts';
import { createRedactor } from '../redaction/redactor.ts';
import { lineId, type LineId } from '../services/blue-green/line-name.ts';
import type { Embeddings, LeasedEmbedding } from './embeddings.ts';
import { recogniserSelection } from './recognisers.ts';
import type { SettingsParts } from './settings.ts';

/** The part of the configuration that shapes what one index holds. */
export type IndexSettings = Pick<FreshetConfig, 'embedder' | 'chunker' | 'redaction'>;

/** Those settings brought to life: how a row becomes redacted chunks and vectors. */
export interface LineRules extends LeasedEmbedding {
  readonly settings: IndexSettings;
  readonly id: LineId;
  readonly fingerprints: SettingsParts;
  readonly redactor: ReturnType<typeof createRedactor>;
  readonly chunker: Chunker;
  readonly mapper: Mapper;
}

export async function openRules(
  settings: IndexSettings,
  parts: {
    readonly embeddings: Embeddings;
    /** Of hashes, where the configuration gives none. */
    readonly hashKey: Uint8Array;
    readonly maxTextLength: number;
  },
): Promise<LineRules> {
  const { redaction, chunker: cut } = settings;
  const leased = await parts.embeddings.lease(settings.embedder);
  const { embedder, tokenizer } = leased.embedding;
  const hashKey = redaction.key === undefined ? parts.hashKey : Buffer.from(redaction.key);
  const redactor = createRedactor({ key: hashKey, recognisers: recogniserSelection(redaction.recognisers) });
  const chunker = createChunker({ tokenizer, maxTokens: Math.min(cut.maxTokens, embedder.maxTextTokens) });
  const mapper = createMapper({
    applyColumnPolicy: (row, policy) => applyColumnPolicy(row, policy, hashKey),
    htmlToText,
    hashKey,
    maxTextLength: parts.maxTextLength,
  });
  const fingerprints = {
    redactor: redactor.fingerprint,
    chunker: chunker.fingerprint,
    embedder: embedder.fingerprint,
  };
  return { ...leased, settings, id: lineId(fingerprints), fingerprints, redactor, chunker, mapper };
}
