import type { Child } from './child.ts';
import type { OwnTimes } from './messages.ts';
import { bodyOf, documentIdOf, edited, type Article } from './corpus.ts';
import type { BenchDatabase } from './database.ts';
import { mean, median, monotonicMs, percentile, sleep } from './statistics.ts';

/** What became of one edit. All but `own` on the monotonic clock of the machine. */
export interface Edit {
  readonly document: string;
  readonly revision: number;
  /** Before the statement was sent, and when the server had acknowledged the commit. */
  readonly sentAt: number;
  committedAt: number;
  /** When reading the document back in the process of the index gave this revision or a later one; NaN until then. */
  visibleAt: number;
  own: OwnTimes | undefined;
  chunksEmbedded: number;
}

/** Edits one table in an open loop and pairs each edit with the moment it became visible. */
export interface Writer extends Disposable {
  /** One edit of the next document in turn. Resolves at its commit. */
  edit(): Promise<Edit>;
  /** A steady pace, whatever the database or the index does meanwhile; resolves when all are visible or `graceMs` is over. */
  run(perSecond: number, seconds: number, graceMs?: number): Promise<readonly Edit[]>;
  article(document: string): Article | undefined;
}

const GRACE_MS = 60_000;
const POLL_MS = 10;

export function createWriter(database: BenchDatabase, child: Child, table: string, articles: Article[]): Writer {
  const pending = new Map<string, Edit[]>();
  const byDocument = new Map(articles.map((article, at) => [documentIdOf(table, article.number) as string, at]));
  let next = 0;
  let revision = 0;

  const unsubscribe = child.onVisible(({ document, revision: shown, at, own, chunksEmbedded }) => {
    const edits = pending.get(document) ?? [];
    for (const edit of edits.filter((one) => one.revision <= shown)) {
      edit.visibleAt = at;
      edit.own = own;
      edit.chunksEmbedded = chunksEmbedded;
    }
    const left = edits.filter((one) => one.revision > shown);
    if (left.length === 0) pending.delete(document);
    else pending.set(document, left);
  });

  const edit = async (): Promise<Edit> => {
    // Each time round, the next section: neighbours of an edited document are others, and so are its chunks.
    const at = next % articles.length;
    const before = articles[at] as Article;
    const section = Math.floor(next / articles.length + next * 3) % before.sections.length;
    next += 1;
    revision += 1;
    const article = edited(before, section, revision);
    articles[at] = article;
    const document = documentIdOf(table, article.number);
    const one: Edit = {
      document,
      revision,
      sentAt: monotonicMs(),
      committedAt: Number.NaN,
      visibleAt: Number.NaN,
      own: undefined,
      chunksEmbedded: Number.NaN,
    };
    pending.set(document, [...(pending.get(document) ?? []), one]);
    await database.save(table, article);
    one.committedAt = monotonicMs();
    return one;
  };

  return {
    edit,
    article: (document) => articles[byDocument.get(document) ?? -1],
    async run(perSecond, seconds, graceMs = GRACE_MS) {
      const from = monotonicMs() + 20;
      const count = Math.round(perSecond * seconds);
      const commits: Promise<Edit>[] = [];
      for (let n = 0; n < count; n += 1) {
        await sleep(from + (n * 1000) / perSecond - monotonicMs());
        commits.push(edit());
      }
      const edits = await Promise.all(commits);
      const until = monotonicMs() + graceMs;
      while (edits.some((one) => Number.isNaN(one.visibleAt)) && monotonicMs() < until) await sleep(POLL_MS);
      return edits;
    },
    [Symbol.dispose]: unsubscribe,
  };
}

/** The text of the section that a revision changed, to time the embedder alone on its like. */
export function sectionText(article: Article, revision: number): string {
  const sections = bodyOf(article).split(/\n\n(?=## )/);
  return sections.find((text) => text.includes(`Revision ${revision} `)) ?? sections[0] ?? '';
}

/** Commit acknowledged → read back; an edit that was never seen counts as endless. */
export const commitToVisible = (edits: readonly Edit[]): readonly number[] =>
  edits.map(({ committedAt, visibleAt }) =>
    Number.isNaN(visibleAt) ? Number.POSITIVE_INFINITY : Math.max(0, visibleAt - committedAt),
  );

/** Where the time went, by the product's own stages: medians and 95th percentiles of each stage alone, in whole milliseconds. */
export function stageFigures(prefix: string, edits: readonly Edit[]): Record<string, string> {
  const own = edits.flatMap((edit) => (edit.own === undefined ? [] : [edit.own]));
  const stage = (name: string, of: (times: OwnTimes) => number): [string, string] => {
    const all = own.map(of);
    return [
      `${prefix}: ${name}, p50 / mean / p95 ms`,
      `${median(all).toFixed(1)} / ${mean(all).toFixed(1)} / ${percentile(all, 0.95).toFixed(1)}`,
    ];
  };
  return Object.fromEntries([
    stage('commit at the server → received', ({ receivedMs }) => receivedMs),
    stage('received → redacted', ({ receivedMs, redactedMs }) => redactedMs - receivedMs),
    stage('redacted → embedded', ({ redactedMs, embeddedMs }) => embeddedMs - redactedMs),
    stage('embedded → visible', ({ embeddedMs, visibleMs }) => visibleMs - embeddedMs),
    stage('commit at the server → visible', ({ visibleMs }) => visibleMs),
  ]);
}
