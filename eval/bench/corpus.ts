import { DEFAULT_TENANT, rowDocumentId, rowKey, tableId, type DocumentId } from '../../src/domain/ids.ts';

/** Made-up handbook articles: sections of ordinary words, each about as long as one chunk. The same seed gives the same texts. */

export const SOURCE = 'bench';
export const TENANT = DEFAULT_TENANT;
export const SECTIONS = 7;

const WORDS =
  `the a of and to in for with on at by from as that this which when after before within until order invoice customer delivery
  return refund payment account warehouse parcel courier address support agent policy period notice contract manager review
  approval request answer question form document team office region branch supplier stock shelf label weight value price
  discount season offer voucher balance statement receipt transfer bank card limit amount total currency export import
  customs duty tax rate report audit record archive copy version change update edit draft release schedule calendar
  holiday shift training course certificate safety repair service machine device battery cable screen printer network
  password login session access permission role group member owner visitor guest meeting room floor building entrance
  parking travel ticket hotel expense claim budget forecast plan target result quality test sample measure standard
  is are was were has have may must should can will sends receives checks confirms opens closes stores moves replaces
  signs prints counts compares explains keeps returns delays repeats cancels extends reaches covers includes requires
  new old late early open closed full empty large small damaged missing correct wrong internal external weekly monthly
  usually always never only also again together directly twice first last next other same each every both`.split(/\s+/);

/** Numerical Recipes' linear congruential generator: small, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

const pick = (random: () => number): string => WORDS[Math.floor(random() * WORDS.length)] ?? 'the';

export function sentence(random: () => number): string {
  const words = Array.from({ length: 9 + Math.floor(random() * 9) }, () => pick(random)).join(' ');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

/** A word that stands in this section and nowhere else: letters only, so that it is one word to every tokenizer of a search. */
export function landmark(document: number, section: number): string {
  const letters = [...(document * 100 + section).toString(10)].map((digit) => 'bcdfghjklm'[Number(digit)]).join('');
  return `zq${letters}x`;
}

export interface Article {
  readonly number: number;
  /** Sentences of each section. */
  readonly sections: readonly (readonly string[])[];
  /** The last edit of each section; 0 before the first. */
  readonly revisions: readonly number[];
}

export function makeArticle(number: number, sections = SECTIONS): Article {
  const random = seeded(number * 7919 + 17);
  return {
    number,
    sections: Array.from({ length: sections }, () => {
      const count = 7 + Math.floor(random() * 4);
      return Array.from({ length: count }, () => sentence(random));
    }),
    revisions: Array.from({ length: sections }, () => 0),
  };
}

/** Changes one sentence of one section, and so one chunk. */
export function edited(article: Article, section: number, revision: number): Article {
  return { ...article, revisions: article.revisions.map((last, at) => (at === section ? revision : last)) };
}

export function bodyOf({ number, sections, revisions }: Article): string {
  return sections
    .map((sentences, at) => {
      const revised = `Revision ${revisions[at] ?? 0} was approved by the team of the branch.`;
      const half = Math.ceil(sentences.length / 2);
      const first = [`This part is known as ${landmark(number, at)}.`, ...sentences.slice(0, half)].join(' ');
      return `## Part ${at + 1} ${(sentences[0] ?? '').split(' ').slice(0, 3).join(' ')}\n\n${first} ${revised}\n\n${sentences.slice(half).join(' ')}`;
    })
    .join('\n\n');
}

/** The newest revision that a text shows. */
export function revisionIn(text: string): number {
  let newest = 0;
  for (const [, digits] of text.matchAll(/Revision (\d+) /g)) newest = Math.max(newest, Number(digits));
  return newest;
}

export const documentIdOf = (table: string, number: number): DocumentId =>
  rowDocumentId(SOURCE, tableId(`${SOURCE}.public.${table}`), rowKey([number]));
