import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';

export interface Passage {
  readonly id: string;
  readonly title: string;
  readonly body: string;
}

export interface Question {
  readonly text: string;
  /** Ids of the documents that answer it; never empty. */
  readonly relevant: ReadonlySet<string>;
}

export interface Dataset {
  readonly name: string;
  readonly format: 'markdown' | 'plain';
  readonly documents: readonly Passage[];
  readonly questions: readonly Question[];
}

/**
 * A folder in the layout of the BEIR benchmark: `corpus.jsonl` ({_id, title, text}), `queries.jsonl` ({_id, text}) and `qrels.tsv` (query,
 * document, relevance; one line of names first). Questions without a relevant document are left out.
 */
export async function readBeir(name: string, folder: string): Promise<Dataset> {
  const corpus = await jsonLines<{ _id: string; title: string; text: string }>(join(folder, 'corpus.jsonl'));
  const queries = await jsonLines<{ _id: string; text: string }>(join(folder, 'queries.jsonl'));
  const judged = new Map<string, Set<string>>();
  for (const line of (await readFile(join(folder, 'qrels.tsv'), 'utf8')).split('\n').slice(1)) {
    const [query, document, relevance] = line.trim().split('\t');
    if (query === undefined || document === undefined || !(Number(relevance) > 0)) continue;
    judged.set(query, (judged.get(query) ?? new Set()).add(document));
  }
  return {
    name,
    format: 'plain',
    documents: corpus.map(({ _id, title, text }) => ({ id: _id, title, body: text })),
    questions: queries.flatMap(({ _id, text }) => {
      const relevant = judged.get(_id);
      return relevant === undefined ? [] : [{ text, relevant }];
    }),
  };
}

/** The demo's articles (Markdown with a title in the front matter) and the questions that one of them answers. */
export async function readHandbook(demo: string): Promise<Dataset> {
  const folder = join(demo, 'handbook');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.md')).sort();
  const documents = await Promise.all(
    files.map(async (file) => {
      const [, frontMatter, body] = /^---\n(.*?)\n---\n(.*)$/s.exec(await readFile(join(folder, file), 'utf8')) ?? [];
      if (frontMatter === undefined || body === undefined) throw new Error(`${file} has no front matter.`);
      const { title } = parseYaml(frontMatter) as { title: string };
      return { id: file.replace(/^\d+-|\.md$/g, ''), title, body: body.trim() };
    }),
  );
  const questions = JSON.parse(await readFile(join(demo, 'handbook.questions.json'), 'utf8')) as readonly {
    question: string;
    slug: string;
  }[];
  return {
    name: 'handbook',
    format: 'markdown',
    documents,
    questions: questions.map(({ question, slug }) => ({ text: question, relevant: new Set([slug]) })),
  };
}

async function jsonLines<T>(path: string): Promise<readonly T[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as T);
}
