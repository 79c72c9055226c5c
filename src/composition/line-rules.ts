import type { FreshetConfig } from '../config/index.ts';
import { freshetErrorOf, kindOf, type FreshetError } from '../domain/errors.ts';
import { createChunker } from '../ingest/chunk/chunker.ts';
import { htmlToText } from '../ingest/chunk/html-to-text.ts';
import { createMapper, type Mapper } from '../ingest/map.ts';
import type { Chunker } from '../ports/chunker.ts';
import type { IndexSpec } from '../ports/index-catalogue.ts';
import { applyColumnPolicy } from '../redaction/column-policy.ts';
import { createRedactor } from '../redaction/redactor.ts';
import type { Cleanup } from '../runtime/cleanup.ts';
import { lineId, type LineId } from '../services/blue-green/line-name.ts';
import type { ConfiguredSettings, Section } from '../services/blue-green/plan.ts';
import type { Embeddings, LeasedEmbedding } from './embeddings.ts';
import { recogniserSelection } from './recognisers.ts';
import type { SettingsParts } from './settings.ts';

/** The part of the configuration that shapes what one index holds. */
export type IndexSettings = Pick<FreshetConfig, 'embedder' | 'chunker' | 'redaction'>;

/** The settings under `candidate:`: what is not given there is as in the main ones. */
export function candidateSettings(config: FreshetConfig): IndexSettings | undefined {
  const { candidate } = config;
  if (candidate === undefined) return undefined;
  const { modelPath, ...inherited } = config.embedder;
  // The folder of the main model holds no other one.
  const isOtherModel = candidate.embedder?.engine !== undefined || candidate.embedder?.model !== undefined;
  return {
    embedder: {
      ...inherited,
      // Words instead of meanings would be another index in the place of this one.
      fallback: 'none',
      ...(isOtherModel || modelPath === undefined ? {} : { modelPath }),
      ...candidate.embedder,
    },
    chunker: { ...config.chunker, ...candidate.chunker },
    redaction: {
      ...config.redaction,
      ...candidate.redaction,
      recognisers: { ...config.redaction.recognisers, ...candidate.redaction?.recognisers },
    },
  };
}

/** Those settings brought to life: how a row becomes redacted chunks and vectors. */
export interface LineRules extends LeasedEmbedding {
  readonly settings: IndexSettings;
  readonly id: LineId;
  readonly fingerprints: SettingsParts;
  readonly redactor: ReturnType<typeof createRedactor>;
  readonly chunker: Chunker;
  readonly mapper: Mapper;
}

export interface RulesParts {
  readonly embeddings: Embeddings;
  /** Of hashes, where the configuration gives none. */
  readonly hashKey: Uint8Array;
  readonly maxTextLength: number;
}

/** The sections of the configuration that an index can be built from. */
export interface OpenSections {
  readonly ids: ConfiguredSettings;
  /** What an index of the section must fit. */
  specOf(section: Section): IndexSpec;
  /** For one line, which releases them when it closes. */
  rulesOf(section: Section): Promise<LineRules>;
  /** The lines are open: an engine that none of them uses is closed. */
  settled(): Promise<void>;
}

/** Opens the engine of each section, for only a model that is there can say what it makes of an index. */
export async function openSections(config: FreshetConfig, parts: RulesParts, cleanup: Cleanup): Promise<OpenSections> {
  const second = candidateSettings(config);
  const opened: LineRules[] = [];
  const settled = async (): Promise<void> => {
    for (const rules of opened.splice(0)) await rules.release();
  };
  cleanup.add('embedders', settled);
  const open = async (settings: IndexSettings): Promise<Pick<LineRules, 'id'> & { readonly spec: IndexSpec }> => {
    const rules = await openRules(settings, parts);
    opened.push(rules);
    const { dimensions, fingerprint } = rules.embedding.embedder;
    return { id: rules.id, spec: { dimensions, embedderFingerprint: fingerprint } };
  };
  const main = await open(config);
  let candidate: Awaited<ReturnType<typeof open>> | undefined;
  let unopened: FreshetError | undefined;
  try {
    if (second !== undefined) candidate = await open(second);
  } catch (error) {
    // What is only being tried must not keep the live index from answering.
    if (kindOf(error) === 'aborted') throw error;
    unopened = freshetErrorOf(error);
  }
  return {
    ids: { main: main.id, candidate: candidate?.id, ...(unopened === undefined ? {} : { unopened }) },
    specOf: (section) => (section === 'candidate' ? (candidate ?? main) : main).spec,
    rulesOf: (section) => openRules(section === 'candidate' && second !== undefined ? second : config, parts),
    settled,
  };
}

export async function openRules(settings: IndexSettings, parts: RulesParts): Promise<LineRules> {
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
