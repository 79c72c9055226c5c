import type { Part } from './context.ts';
import { documentIdOf, landmark, SECTIONS } from './corpus.ts';
import { ask, readDocument } from './http-reader.ts';
import { monotonicMs, sleep } from './statistics.ts';
import { createWriter } from './writer.ts';

const EDITS_PER_SECOND = 50;
const HOT_DOCUMENTS = 10;

/** The query is part of the answer, so the word is looked for in the hits only. */
function hitTexts(body: string): readonly string[] {
  const { data } = JSON.parse(body) as { readonly data: readonly { readonly content: readonly { text: string }[] }[] };
  return data.flatMap(({ content }) => content.map(({ text }) => text));
}

/**
 * A reader over HTTP while documents are edited as fast as they can be indexed: a few documents, so that there is always a change of each
 * under way. Whatever section an edit changes, every section of the document must be there, in the document as it is read and by search.
 */
export const absence: Part = async (context) => {
  const { options, say } = context;
  const session = await context.syntheticSession();
  const articles = session.articles.slice(0, HOT_DOCUMENTS);
  using writer = createWriter(await context.database(), session.child, session.table, articles);
  const { api } = session.child;
  const seconds = options.secondsPerRate;
  say(`${EDITS_PER_SECOND} edits/s on ${HOT_DOCUMENTS} documents, two readers, ${seconds} s`);

  let writing = true;
  let [documentsRead, searches, absences, otherAnswers] = [0, 0, 0, 0];
  const hot = articles.map(({ number }) => ({ number, id: documentIdOf(session.table, number) }));

  const readDocuments = async (): Promise<void> => {
    for (let n = 0; writing; n += 1) {
      const { number, id } = hot[n % hot.length] as (typeof hot)[number];
      const { status, body } = await readDocument(api, id);
      documentsRead += 1;
      if (status !== 200) absences += SECTIONS;
      else for (let at = 0; at < SECTIONS; at += 1) if (!body.includes(landmark(number, at))) absences += 1;
      await sleep(1);
    }
  };
  const searchSections = async (): Promise<void> => {
    for (let n = 0; writing; n += 1) {
      const { number } = hot[n % hot.length] as (typeof hot)[number];
      const word = landmark(number, Math.floor(n / hot.length) % SECTIONS);
      const { status, body } = await ask(`${api}/v1/search`, { query: word, mode: 'lexical', limit: 3 });
      searches += 1;
      if (status !== 200) otherAnswers += 1;
      else if (!hitTexts(body).some((text) => text.includes(word))) absences += 1;
      await sleep(2);
    }
  };
  const readers = Promise.all([readDocuments(), searchSections()]);
  const started = monotonicMs();
  const edits = await writer.run(EDITS_PER_SECOND, seconds);
  writing = false;
  await readers;
  return {
    part: 'absence',
    title: 'No chunk that an edit left alone is ever absent',
    figures: {
      edits: edits.length,
      'documents read': documentsRead,
      searches,
      'answers other than 200': otherAnswers,
      'chunks looked for': documentsRead * SECTIONS + searches,
      'chunks absent': absences,
      seconds: (monotonicMs() - started) / 1000,
    },
    bars: [
      { name: 'chunks absent', measured: absences + otherAnswers, limit: 0, sense: 'at most', unit: '' },
      {
        name: 'chunks looked for',
        measured: documentsRead * SECTIONS + searches,
        limit: 1_000,
        sense: 'at least',
        unit: '',
      },
    ],
    notes: ['Read over HTTP: GET /v1/documents/{id}, and POST /v1/search for a word that stands in one chunk only.'],
  };
};
