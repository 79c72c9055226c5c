import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Part } from './context.ts';
import { bodyOf, documentIdOf, makeArticle, seeded, sentence } from './corpus.ts';
import type { BenchDatabase } from './database.ts';
import type { Session } from './context.ts';
import { sleep } from './statistics.ts';
import type { Visible } from './messages.ts';

const TABLE = 'long_docs';
const LONG_SECTIONS = 20;
const LONG_DOCUMENTS = 5;
const FIRST_LONG = 1_000_000;
const FIRST_REPLAYED = 2_000_000;
const WAIT_MS = 30_000;

interface History {
  readonly name: string;
  /** Bodies of one document, oldest first. */
  readonly documents: readonly (readonly string[])[];
}

/** Writes a body under a key and waits until it is visible; the chunks that it cost. */
function tracker(
  db: BenchDatabase,
  { child }: Session,
): { write(number: number, body: string): Promise<Visible>; end(): void } {
  const waiting = new Map<string, (visible: Visible) => void>();
  const end = child.onVisible((visible) => waiting.get(visible.document)?.(visible));
  return {
    end,
    async write(number, body) {
      const document = documentIdOf(TABLE, number) as string;
      const visible = new Promise<Visible>((resolve) => waiting.set(document, resolve));
      await db.pool.query(
        `INSERT INTO ${TABLE} VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
        [number, `Article ${number}`, body],
      );
      const late = sleep(WAIT_MS).then(() => {
        throw new Error(`Article ${number} was not visible after ${WAIT_MS} ms.`);
      });
      late.catch(() => undefined);
      return Promise.race([visible, late]);
    },
  };
}

/** One sentence at a time, of another length, in the middle of the document as well as at its ends. */
async function longDocuments(write: ReturnType<typeof tracker>['write'], edits: number): Promise<readonly number[]> {
  const random = seeded(4);
  const embedded: number[] = [];
  for (let at = 0; at < LONG_DOCUMENTS; at += 1) {
    const article = makeArticle(FIRST_LONG + at, LONG_SECTIONS);
    const sections = article.sections.map((sentences) => [...sentences]);
    await write(article.number, bodyOf(article));
    for (let n = 0; n < edits; n += 1) {
      const section = sections[Math.floor(random() * sections.length)] as string[];
      // Not the first one: its words are the heading of the section too.
      section[1 + Math.floor(random() * (section.length - 1))] = sentence(random);
      const { chunksEmbedded } = await write(article.number, bodyOf({ ...article, sections }));
      embedded.push(chunksEmbedded);
    }
  }
  return embedded;
}

/** A made-up history: sentences replaced, added and taken away, sections moved. */
function syntheticHistory(): History {
  const random = seeded(5);
  const documents = Array.from({ length: 10 }, (_, at) => {
    const article = makeArticle(FIRST_REPLAYED + at, 6 + Math.floor(random() * 10));
    let sections = article.sections.map((sentences) => [...sentences]);
    const bodies = [bodyOf(article)];
    for (let n = 0; n < 8; n += 1) {
      const section = sections[Math.floor(random() * sections.length)] as string[];
      const place = 1 + Math.floor(random() * (section.length - 1));
      const kind = random();
      if (kind < 0.6) section[place] = sentence(random);
      else if (kind < 0.8) section.splice(place, 0, sentence(random), sentence(random));
      else if (kind < 0.95) section.splice(place, 1);
      else sections = [...sections.slice(1), sections[0] as string[]];
      bodies.push(bodyOf({ ...article, sections }));
    }
    return bodies;
  });
  return { name: 'made up', documents };
}

/** Recorded histories, in the format of eval/chunking.ts. The documents with the most versions, as many as fit the bench. */
function recordedHistories(folder: string, versionsMax: number): readonly History[] {
  return readdirSync(folder)
    .map((name) => ({ name, path: join(folder, name, 'events.ndjson.gz') }))
    .filter(({ path }) => existsSync(path))
    .map(({ name, path }) => {
      const byId = new Map<string, string[]>();
      for (const line of gunzipSync(readFileSync(path)).toString().split('\n')) {
        if (line === '') continue;
        const { id, body } = JSON.parse(line) as { id: string; body?: string };
        if (body === undefined) continue;
        const bodies = byId.get(id) ?? [];
        if (bodies.at(-1) !== body) bodies.push(body);
        byId.set(id, bodies);
      }
      const documents: (readonly string[])[] = [];
      let versions = 0;
      for (const bodies of byId.values()) {
        if (bodies.length < 2 || versions + bodies.length > versionsMax) continue;
        versions += bodies.length;
        documents.push(bodies);
      }
      return { name, documents };
    });
}

/** What an edit costs, counted in the running product: chunks embedded when a row changes. */
export const embeddings: Part = async (context) => {
  const { options, say } = context;
  const session = await context.syntheticSession();
  const { write, end } = tracker(await context.database(), session);
  try {
    say(`one sentence at a time in documents of ${LONG_SECTIONS} chunks`);
    const one = await longDocuments(write, options.quick ? 6 : 20);

    const figures: Record<string, number | string> = {
      'one changed sentence: edits': one.length,
      'one changed sentence: chunks embedded, mean': one.reduce((sum, count) => sum + count, 0) / one.length,
      'one changed sentence: edits that embedded exactly one': one.filter((count) => count === 1).length,
    };
    const histories =
      options.data === undefined
        ? [syntheticHistory()]
        : [syntheticHistory(), ...recordedHistories(options.data, options.quick ? 200 : 1_500)];
    let number = FIRST_REPLAYED;
    for (const { name, documents } of histories) {
      say(`history ${name}`);
      let [edits, chunks, first] = [0, 0, 0];
      for (const bodies of documents) {
        number += 1;
        for (const [at, body] of bodies.entries()) {
          const { chunksEmbedded } = await write(number, body);
          if (at === 0) first += chunksEmbedded;
          else {
            edits += 1;
            chunks += chunksEmbedded;
          }
        }
      }
      Object.assign(figures, {
        [`history ${name}: edits`]: edits,
        [`history ${name}: chunks of a document at first, mean`]: first / documents.length,
        [`history ${name}: chunks embedded per edit`]: chunks / edits,
      });
    }
    return {
      part: 'embeddings',
      title: `Embeddings per edit`,
      figures,
      bars: [
        {
          name: `chunks embedded for one changed sentence of ${LONG_SECTIONS} chunks, worst`,
          measured: Math.max(...one),
          limit: 1,
          sense: 'at most',
          unit: '',
        },
      ],
      notes: [
        'Tokens are counted by the tokenizer of the hashing embedder here; eval/chunking.ts replays whole histories with the model’s own.',
      ],
    };
  } finally {
    end();
  }
};
