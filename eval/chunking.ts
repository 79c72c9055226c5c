/**
 * What an edit costs: replays recorded edit histories through the chunker and counts the chunks that would be embedded again.
 *
 *   npx tsx eval/chunking.ts --data <folder> [--model <model folder>] [--max-tokens 200] [--json]
 *
 * `--data` holds one folder per history with `events.ndjson.gz`, one `{op: "c"|"u"|"d", id, body}` per line in order. `--model` holds the
 * model's `tokenizer.json`; without it tokens are counted as words and punctuation, and the figures say so.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { createWordPieceTokenizer } from '../connectors/transformers/wordpiece/tokenizer.ts';
import type { Chunk, Document, Redacted } from '../src/domain/document.ts';
import { rowDocumentId, rowKey, tableId, tenantId } from '../src/domain/ids.ts';
import { createChunker } from '../src/ingest/chunk/chunker.ts';
import type { Chunker, Tokenizer } from '../src/ports/chunker.ts';

interface EditEvent {
  readonly op: 'c' | 'u' | 'd';
  readonly id: string;
  readonly body?: string;
}

interface Report {
  readonly history: string;
  readonly tokenizer: string;
  readonly versions: number;
  readonly bodyEdits: number;
  readonly chunks: number;
  readonly tokensPerChunk: number;
  readonly longestChunkTokens: number;
  /** Chunks under 30 tokens, percent. */
  readonly tinyPercent: number;
  /** Chunks embedded again by body edits: over all chunks of the edited documents, and the mean of each document's share. */
  readonly microPercent: number;
  readonly macroPercent: number;
  /** Updates that left the body as it was, and those of them that would embed anything. */
  readonly sameTextUpdates: number;
  readonly sameTextEmbedding: number;
  /** Chunks that break a promise: over the limit, a count that is not the tokenizer's, offsets that do not give the text. */
  readonly wrongChunks: number;
  readonly megabytesPerCpuSecond: number;
}

const wordsAndPunctuation: Tokenizer = {
  fingerprint: 'words-and-punctuation',
  count: (text) => text.match(/[\p{L}\p{N}\p{M}]+|[^\s]/gu)?.length ?? 0,
};

function redacted(text: string): Redacted<Document> {
  const table = tableId('eval.public.pages');
  const key = rowKey([1]);
  const document: Document = {
    id: rowDocumentId('eval', table, key),
    table,
    key,
    attributes: { tenant: tenantId('eval'), access: [], title: '', uri: '', metadata: {} },
    text,
    format: 'markdown',
  };
  // The histories are public documentation and stay in this process.
  return document as Redacted<Document>;
}

/** Chunks of `after` that are not among those of `before`, each text counted as often as it occurs. */
function embeddedAgain(before: readonly string[], after: readonly string[]): number {
  const known = new Map<string, number>();
  for (const text of before) known.set(text, (known.get(text) ?? 0) + 1);
  let count = 0;
  for (const text of after) {
    const left = known.get(text) ?? 0;
    if (left > 0) known.set(text, left - 1);
    else count++;
  }
  return count;
}

function isWrong(chunk: Chunk, text: string, tokenizer: Tokenizer, maxTokens: number): boolean {
  return (
    chunk.tokens > maxTokens ||
    chunk.tokens !== tokenizer.count(chunk.text) ||
    text.slice(chunk.start, chunk.end) !== chunk.text
  );
}

function replay(
  history: string,
  events: readonly EditEvent[],
  chunker: Chunker,
  tokenizer: Tokenizer,
  maxTokens: number,
): Report {
  const current = new Map<string, { readonly body: string; readonly texts: readonly string[] }>();
  let [versions, chunks, tokens, longest, tiny, wrong, bytes, cpuMicroseconds] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [edits, again, edited, shares, same, sameEmbedding] = [0, 0, 0, 0, 0, 0];
  for (const { op, id, body } of events) {
    if (op === 'd' || body === undefined) {
      current.delete(id);
      continue;
    }
    const before = process.cpuUsage();
    const split = chunker.split(redacted(body));
    const used = process.cpuUsage(before);
    cpuMicroseconds += used.user + used.system;
    bytes += Buffer.byteLength(body);
    versions++;
    for (const chunk of split) {
      chunks++;
      tokens += chunk.tokens;
      longest = Math.max(longest, chunk.tokens);
      if (chunk.tokens < 30) tiny++;
      if (isWrong(chunk, body, tokenizer, maxTokens)) wrong++;
    }
    const texts = split.map((chunk): string => chunk.text);
    const previous = current.get(id);
    current.set(id, { body, texts });
    if (previous === undefined) continue;
    const count = embeddedAgain(previous.texts, texts);
    if (previous.body === body) {
      same++;
      if (count > 0) sameEmbedding++;
    } else {
      edits++;
      again += count;
      edited += texts.length;
      if (texts.length > 0) shares += count / texts.length;
    }
  }
  return {
    history,
    tokenizer: tokenizer.fingerprint,
    versions,
    bodyEdits: edits,
    chunks,
    tokensPerChunk: tokens / chunks,
    longestChunkTokens: longest,
    tinyPercent: (100 * tiny) / chunks,
    microPercent: (100 * again) / edited,
    macroPercent: (100 * shares) / edits,
    sameTextUpdates: same,
    sameTextEmbedding: sameEmbedding,
    wrongChunks: wrong,
    megabytesPerCpuSecond: bytes / cpuMicroseconds,
  };
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    model: { type: 'string' },
    'max-tokens': { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
if (values.data === undefined) {
  console.error('Which histories? --data <folder that holds folders with events.ndjson.gz>');
  process.exit(2);
}
const maxTokens = Number(values['max-tokens']);
const reports: Report[] = [];
for (const history of readdirSync(values.data).sort()) {
  const path = join(values.data, history, 'events.ndjson.gz');
  if (!existsSync(path)) continue;
  const lines = gunzipSync(readFileSync(path)).toString().split('\n');
  const events = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as EditEvent);
  // A tokenizer per history: none profits from what another one left in the memo.
  const tokenizer = values.model === undefined ? wordsAndPunctuation : createWordPieceTokenizer(values.model);
  reports.push(replay(history, events, createChunker({ tokenizer, maxTokens }), tokenizer, maxTokens));
}
if (reports.length === 0) {
  console.error(`No <folder>/events.ndjson.gz below ${values.data}.`);
  process.exit(2);
}
if (values.json) {
  console.log(JSON.stringify(reports, undefined, 2));
} else {
  for (const { history, tokenizer, ...figures } of reports) {
    console.log(`${history} (tokens by ${tokenizer}, at most ${maxTokens} per chunk)`);
    for (const [name, value] of Object.entries(figures)) {
      console.log(`  ${name.padEnd(22)} ${Number.isInteger(value) ? value : value.toFixed(2)}`);
    }
  }
}
