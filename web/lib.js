// What the page computes, apart from the page: pure functions, tested without a browser.

/** 0.4 → "0.4 ms", 17.3 → "17 ms", 1234 → "1.23 s", 90000 → "1 min 30 s". */
export function formatMs(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** How long ago, in the largest unit that fits; clocks that differ a little give "now", never a negative age. */
export function formatAge(ms) {
  for (const [unit, name] of UNITS) if (ms >= unit) return `${Math.floor(ms / unit)} ${name} ago`;
  return 'now';
}

export function formatCount(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

export function formatTime(iso) {
  return new Date(iso).toLocaleTimeString('en-GB', { hour12: false });
}

/** What the model is called; without a name, the kind of embedder its fingerprint begins with. */
export function modelName({ name, fingerprint }) {
  return name ?? fingerprint.split(/[@:|#;,\s]/u)[0] ?? fingerprint;
}

export const STAGES = ['committed', 'received', 'redacted', 'embedded', 'visible'];

/**
 * The stages of one change with the time each took. A stage that did not happen though a later one did (nothing to embed) is `skipped`;
 * after the last one that happened comes `waiting`.
 */
export function stagesOf(times) {
  const at = STAGES.map((name) => (times?.[name] ? Date.parse(times[name]) : undefined));
  const last = at.findLastIndex((time) => time !== undefined);
  let before = at[0];
  return STAGES.map((name, i) => {
    const time = at[i];
    if (time === undefined) return { name, state: i < last ? 'skipped' : 'waiting', tookMs: null, sinceCommitMs: null };
    const tookMs = i === 0 || before === undefined ? null : Math.max(0, time - before);
    before = time;
    return { name, state: 'done', tookMs, sinceCommitMs: at[0] === undefined ? null : Math.max(0, time - at[0]) };
  });
}

/**
 * How far behind the index is, in words. `asOf` is a promise and is renewed about once a second: an index with nothing left to do is up to
 * date as of then, not "a second behind".
 */
export function lagOf(freshness) {
  if (!freshness.asOf) return { text: 'as of', strong: 'unknown' };
  const lags = freshness.sources.flatMap((source) => source.partitions.map((partition) => partition.lagMs));
  const lag = lags.some((one) => one === null) ? freshness.lagMs : Math.max(0, ...lags);
  if (lag > 0) return { text: 'behind', strong: formatMs(lag) };
  return { text: 'up to date as of', strong: formatTime(freshness.asOf) };
}

/** What the top bar says about the instance. */
export function stateOf(freshness, connected) {
  if (!connected) return { state: 'reconnecting', text: 'Reconnecting…' };
  if (!freshness) return { state: 'loading', text: 'Connecting…' };
  if (!freshness.ready) {
    const percent = buildingPercent(freshness);
    return {
      state: 'building',
      text: percent === null ? 'Building the index…' : `Building the index: ${percent} %`,
      percent,
    };
  }
  if (freshness.sources.some((source) => !source.connected))
    return { state: 'warning', text: 'Source away, still searchable' };
  if (freshness.embedder.lexicalOnly) return { state: 'warning', text: 'Ready, by words only' };
  if (freshness.embedder.down) return { state: 'warning', text: 'Model away, search by words' };
  return { state: 'ready', text: 'Ready' };
}

/** Over all tables; null while a total is unknown. Never 100 before it is done. */
export function buildingPercent(freshness) {
  const snapshots = freshness.sources.flatMap((source) => source.snapshots);
  let done = 0;
  let total = 0;
  for (const { rowsRead, rowsTotal, finished } of snapshots) {
    const size = finished ? rowsRead : rowsTotal;
    if (size === null) return null;
    done += Math.min(rowsRead, size);
    total += size;
  }
  return total === 0 ? null : Math.min(99, Math.floor((done / total) * 100));
}

/** A chunk's text without the heading it begins with, where that is shown above it anyway. */
export function withoutHeading(text, headings) {
  const [, heading, rest] = /^#{1,6} +([^\n]+)\n+([^]+)$/u.exec(text) ?? [];
  return heading !== undefined && headings.includes(heading.trim()) ? rest : text;
}

const WORDS_MAX = 700;

/**
 * What changed between two texts, by words: parts of `same`, `added` and `removed`, in reading order. Longest common subsequence; texts
 * longer than a chunk ever is are shown whole, unmarked.
 */
export function diffWords(before, after) {
  const a = wordsOf(before);
  const b = wordsOf(after);
  if (a.length > WORDS_MAX || b.length > WORDS_MAX) return [{ kind: 'same', text: after }];
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const parts = [];
  const push = (kind, text) => {
    if (parts.at(-1)?.kind === kind) parts.at(-1).text += text;
    else parts.push({ kind, text });
  };
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      push('same', b[j]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && lengths[i + 1][j] >= lengths[i][j + 1])) {
      push('removed', a[i]);
      i += 1;
    } else {
      push('added', b[j]);
      j += 1;
    }
  }
  return parts;
}

/** Words and what is between them: joined they are the text again. */
const wordsOf = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

/**
 * What is new in a list of results since the one before, for the same query: by result id `{ isNew }` and, where a text replaced another
 * of the same document, `before`.
 */
export function changesSince(previous, current) {
  const marks = new Map();
  if (!previous) return marks;
  const known = new Set(previous.map((result) => result.id));
  const kept = new Set(current.map((result) => result.id));
  const replaced = previous.filter((result) => !kept.has(result.id));
  for (const result of current) {
    if (known.has(result.id)) continue;
    const candidates = replaced.filter((old) => old.file_id === result.file_id);
    const before = nearest(result, candidates);
    if (before) replaced.splice(replaced.indexOf(before), 1);
    marks.set(result.id, { isNew: true, before: before?.content[0].text });
  }
  return marks;
}

/** The old text that shares most words with the new one. */
function nearest(result, candidates) {
  const words = new Set(wordsOf(result.content[0].text));
  let best;
  let bestShared = -1;
  for (const candidate of candidates) {
    const shared = wordsOf(candidate.content[0].text).filter((word) => words.has(word)).length;
    if (shared > bestShared) [best, bestShared] = [candidate, shared];
  }
  return best;
}

/** Splits a text where a word of the query stands, for highlighting. Short words are left alone: they are everywhere. */
export function splitByQuery(text, query) {
  const words = [...new Set(query.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [])];
  if (words.length === 0) return [{ hit: false, text }];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join('|')})[\\p{L}\\p{N}]*`, 'giu');
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > from) parts.push({ hit: false, text: text.slice(from, match.index) });
    parts.push({ hit: true, text: match[0] });
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ hit: false, text: text.slice(from) });
  return parts;
}

/** Takes text as it comes off the wire and gives whole server-sent events `{ event, data }`. */
export function createSseParser(onEvent) {
  let buffer = '';
  return (text) => {
    buffer += text;
    const blocks = buffer.split('\n\n');
    buffer = blocks.pop();
    for (const block of blocks) {
      let event = 'message';
      let data = '';
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) event = line.slice(7);
        else if (line.startsWith('data: ')) data += line.slice(6);
      }
      if (data !== '') onEvent({ event, data: JSON.parse(data) });
    }
  };
}
