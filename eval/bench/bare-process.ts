/**
 * The yardstick of freshness: a loop that keeps nothing and promises nothing. It takes a change, embeds the paragraphs that it has not seen
 * in that row, and puts the row into a Map. No redaction, no tokens counted, no versions, no index, no fsync, no position; changes that
 * arrive while the engine is busy go together into the next call, as in the product.
 *
 * Two ways in: rows of a PostgreSQL publication, acknowledged as they come (a subscriber cannot do less), or a timer in this process.
 */
import { LogicalReplicationService, PgoutputPlugin, type Pgoutput } from 'pg-logical-replication';
import pg from 'pg';
import type { Redacted } from '../../src/domain/document.ts';
import { bodyOf, documentIdOf, edited, makeArticle, revisionIn, SECTIONS, type Article } from './corpus.ts';
import type { BareStart, FromChild, ToChild } from './messages.ts';
import { monotonicMs, sleep } from './statistics.ts';
import { createSyntheticEmbedder } from './synthetic-embedder.ts';

const never = new AbortController().signal;
const say = (message: FromChild): void => void process.send?.(message);
const failed = (error: unknown): void =>
  say({ type: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });

interface Change {
  readonly id: string;
  readonly body: string;
  readonly done: () => void;
}

const embedder = createSyntheticEmbedder();
const rows = new Map<string, ReadonlyMap<string, Float32Array>>();
let waiting: Change[] = [];
let busy = false;

const paragraphs = (body: string): readonly string[] => body.split('\n\n').filter((text) => !text.startsWith('## '));

async function pump(): Promise<void> {
  if (busy) return;
  busy = true;
  while (waiting.length > 0) {
    const changes = waiting;
    waiting = [];
    const fresh = changes.map(({ id, body }) => paragraphs(body).filter((text) => rows.get(id)?.has(text) !== true));
    const vectors = await embedder.embed(fresh.flat() as Redacted<string>[], 'document', never);
    let next = 0;
    changes.forEach(({ id, body, done }, at) => {
      const known = new Map(rows.get(id));
      for (const text of fresh[at] ?? []) known.set(text, vectors[next++] as Float32Array);
      rows.set(id, new Map(paragraphs(body).map((text) => [text, known.get(text) as Float32Array])));
      done();
    });
  }
  busy = false;
}

function take(change: Change): void {
  waiting.push(change);
  pump().catch(failed);
}

const learn = (id: string, body: string): void =>
  void rows.set(id, new Map(paragraphs(body).map((text) => [text, new Float32Array(0)])));

async function start({ connectionString, table, slot }: BareStart): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(`CREATE PUBLICATION ${slot} FOR TABLE ${table}`);
  await client.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  const { rows: first } = await client.query<{ id: string; body: string }>(`SELECT id, body FROM ${table}`);
  for (const { id, body } of first) learn(id, body);
  await client.end();

  const service = new LogicalReplicationService(
    { connectionString },
    { acknowledge: { auto: true, timeoutSeconds: 1 } },
  );
  service.on('data', (_lsn: string, message: Pgoutput.Message) => {
    if (message.tag !== 'update' && message.tag !== 'insert') return;
    const { id, body } = message.new as { id: string; body: string };
    const done = (): void =>
      say({
        type: 'visible',
        document: documentIdOf(table, Number(id)),
        revision: revisionIn(body),
        at: monotonicMs(),
        own: undefined,
        chunksEmbedded: 1,
      });
    take({ id: String(id), body, done });
  });
  service.on('error', failed);
  service.on('start', () => say({ type: 'ready', at: monotonicMs() }));
  void service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: [slot] }), slot).catch(failed);
}

/** Edits made up in this process, at a steady pace: milliseconds from each to its Map.set. */
async function memoryLoop(perSecond: number, edits: number): Promise<readonly number[]> {
  const articles: Article[] = Array.from({ length: 200 }, (_, at) => makeArticle(at + 1));
  for (const article of articles) learn(`memory-${article.number}`, bodyOf(article));
  const took: number[] = [];
  const from = monotonicMs() + 50;
  for (let n = 0; n < edits; n += 1) {
    await sleep(from + (n * 1000) / perSecond - monotonicMs());
    const at = n % articles.length;
    const article = edited(articles[at] as Article, n % SECTIONS, n + 1);
    articles[at] = article;
    const body = bodyOf(article);
    const begun = monotonicMs();
    take({ id: `memory-${article.number}`, body, done: () => void took.push(monotonicMs() - begun) });
  }
  while (took.length < edits) await sleep(5);
  return took;
}

process.on('message', (message: ToChild) => {
  if (message.type === 'start') start(message as BareStart).catch(failed);
  else if (message.type === 'stop') process.exit(0);
  else if (message.type === 'memory-loop') {
    memoryLoop(message.perSecond, message.edits).then(
      (value) => say({ type: 'answer', call: message.call, value }),
      failed,
    );
  }
});
process.on('disconnect', () => process.exit(1));
