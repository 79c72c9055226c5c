import { FreshetError } from '../domain/errors.ts';
import type { ChangeFeed } from '../observability/change-feed.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { FedIndex } from '../ports/index-catalogue.ts';
import { systemClock } from '../runtime/clock.ts';
import { createAdminService } from '../services/admin.ts';
import type { LineServices } from '../services/blue-green/line.ts';
import { createDocumentService } from '../services/documents.ts';
import { createFreshnessService } from '../services/freshness.ts';
import type { LiveSource } from '../services/live-source.ts';
import { createPushedDocuments, type PushedWriter } from '../services/pushed-documents.ts';
import { rebuild } from '../services/rebuild.ts';
import { createSearchService } from '../services/search.ts';
import type { AdminService } from '../services/services.ts';
import { createExpectations } from '../services/verify/expected.ts';
import { createRepair } from '../services/verify/repair.ts';
import { verify } from '../services/verify/verify.ts';
import { FILLED_UNDER } from './filled-under.ts';
import type { OpenedIndex } from './index-home.ts';
import type { LineRules } from './line-rules.ts';
import { RETIRED } from './retire.ts';
import { PUSH_SOURCE } from './sources.ts';

export interface LineServicesParts {
  readonly name: string;
  readonly index: FedIndex;
  readonly rebuilding: OpenedIndex['rebuilding'];
  readonly rules: LineRules;
  readonly sources: readonly LiveSource[];
  readonly pushed: PushedWriter;
  readonly deadLetters: DeadLetters;
  readonly feed: ChangeFeed;
  readonly settingsFingerprint: string;
}

/** What can be asked of one index: its own search, documents, freshness and upkeep. */
export function createLineServices(parts: LineServicesParts): LineServices {
  const { index, rules, deadLetters, feed } = parts;
  const { redactor, queue: embedQueue } = rules;
  const { lexicalOnly, name: modelName } = rules.embedding;
  const clock = systemClock;
  const sources = (): readonly LiveSource[] => parts.sources;
  return {
    search: createSearchService({ index, redactor, embedQueue, sources, clock, lexicalOnly }),
    documents: createDocumentService({ index, feed, deadLetters, ...createPushedDocuments(parts.pushed, redactor) }),
    freshness: createFreshnessService({
      index,
      sources,
      embedQueue,
      lexicalOnly,
      modelName,
      deadLetters,
      feed,
      clock,
    }),
    admin: createAdminService({ sources, deadLetters, ...upkeep(parts) }),
  };
}

/** The work that reads or exchanges the whole index. */
function upkeep(parts: LineServicesParts): Pick<AdminService, 'verify' | 'rebuild'> {
  const { index, rules, sources: all, settingsFingerprint, rebuilding } = parts;
  const { mapper, redactor, chunker, queue: embedQueue, fingerprints } = rules;
  const { tokenizer } = rules.embedding;
  const clock = systemClock;
  const sources = (): readonly LiveSource[] => all;
  const forgetHeads = (): void => all.forEach(({ pipeline }) => pipeline.forgetHeads());
  const expectations = createExpectations({ mapper, redactor, chunker, embedderFingerprint: fingerprints.embedder });
  const repair = createRepair({
    index,
    embedQueue,
    clock,
    settingsFingerprint,
    sourceOf: ({ table }) => all.find(({ mappings }) => mappings.has(table))?.source.name ?? PUSH_SOURCE,
    forgetHeads,
  });
  const tokensOf = (text: string): number => tokenizer.count(text);
  const deps = { index, sources, expectations, embedQueue, tokensOf, clock, random: Math.random, repair };
  return {
    verify: (options, onProgress, signal) => verify(deps, options, onProgress, signal),
    async rebuild(onProgress, signal) {
      if (rebuilding === undefined) throw cannotRebuild(parts.name);
      const done = await rebuild(
        {
          live: index,
          sources,
          expectations,
          embedQueue,
          settingsFingerprint,
          clock,
          alsoCopied: [RETIRED, FILLED_UNDER],
          ...rebuilding,
        },
        onProgress,
        signal,
      );
      forgetHeads();
      return done;
    },
  };
}

/** Rebuilds go another way then (see Line.rebuildsInPlace); nobody comes here. */
function cannotRebuild(name: string): FreshetError {
  return new FreshetError('REBUILD_UNSUPPORTED', 'poison', `Index ${name} cannot be exchanged in place.`, {
    details: { index: name },
  });
}
