import { describe, expect, it } from 'vitest';
import { changed, paragraph, sentence, split } from './support.ts';

const sections = Array.from({ length: 20 }, (_, n) => `## Section ${n}\n\n${paragraph(n, 7)}`);
const handbook = sections.join('\n\n');

/** No heading to hold on to: 120 paragraphs, then 300 sentences in one paragraph, then 300 list items. */
const unstructured: Record<string, string[]> = {
  paragraphs: Array.from({ length: 120 }, (_, n) => paragraph(n, 3)),
  sentences: Array.from({ length: 300 }, (_, n) => sentence(n)),
  'list items': Array.from({ length: 300 }, (_, n) => `- ${sentence(n)}`),
  'lines of code': ['```', ...Array.from({ length: 300 }, (_, n) => `const value${n * 7919} = compute(${n});`), '```'],
};
const joiner: Record<string, string> = {
  paragraphs: '\n\n',
  sentences: ' ',
  'list items': '\n',
  'lines of code': '\n',
};

describe('edits', () => {
  it('one changed sentence in a document of 20 chunks changes one chunk, wherever it is', () => {
    const before = split(handbook);
    expect(before).toHaveLength(20);
    for (let n = 0; n < 20; n++) {
      const after = split(handbook.replace(sentence(n * 10 + 3), 'A new sentence stands here now.'));
      expect(changed(before, after)).toHaveLength(1);
    }
  });

  it('a new, a removed and a moved section leave every other chunk as it was', () => {
    const before = split(handbook);
    expect(
      changed(
        before,
        split([...sections.slice(0, 5), `## New\n\n${paragraph(99, 7)}`, ...sections.slice(5)].join('\n\n')),
      ),
    ).toHaveLength(1);
    expect(changed(before, split(sections.toSpliced(7, 1).join('\n\n')))).toHaveLength(0);
    expect(changed(before, split([...sections.slice(10), ...sections.slice(0, 10)].join('\n\n')))).toHaveLength(0);
  });

  it('the same text changes nothing', () => {
    expect(changed(split(handbook), split(handbook))).toEqual([]);
  });

  for (const [what, parts] of Object.entries(unstructured)) {
    const glue = joiner[what] ?? '';
    const before = split(parts.join(glue));

    it(`an insertion into ${what} without a heading changes its neighbourhood only`, () => {
      expect(before.length).toBeGreaterThan(10);
      const counts = [];
      for (let at = 3; at < parts.length - 1; at += 13) {
        const inserted = parts.toSpliced(at, 0, (parts[at] ?? '').replaceAll(/\d+/gu, '424242'));
        counts.push(changed(before, split(inserted.join(glue))).length);
      }
      const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
      expect(mean).toBeLessThanOrEqual(3);
      expect(Math.max(...counts)).toBeLessThanOrEqual(before.length / 2);
    });
  }
});
