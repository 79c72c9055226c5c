import { describe, expect, it } from 'vitest';
import { titleOf } from '../../../connectors/files/title.ts';

const CASES: readonly (readonly [string, Parameters<typeof titleOf>[2], string, string])[] = [
  [
    'the first heading',
    'markdown',
    'intro\n\n## Second *level* `code` [link](x) ##\n# First',
    'Second level code link',
  ],
  ['front matter before headings', 'markdown', '---\ntitle: "From: matter"\ntags: [a]\n---\n# Heading', 'From: matter'],
  ['a number in front matter', 'markdown', '---\r\ntitle: 404\r\n---\r\ntext', '404'],
  ['the heading when front matter has no title', 'markdown', '---\ntags: [a]\n---\n# Heading', 'Heading'],
  ['the heading when front matter is no YAML', 'markdown', '---\n: : {\n---\n# Heading', 'Heading'],
  ['a setext heading', 'markdown', 'A line\n======\n', 'A line'],
  ['no heading out of a code fence', 'markdown', '```sh\n# comment\n```\n# Real', 'Real'],
  ['no heading out of a longer fence', 'markdown', '````\n```\n# comment\n````\n# Real', 'Real'],
  ['an anchor left out', 'markdown', '# Install {#install}', 'Install'],
  ['underscores inside words', 'markdown', '# snake_case_name and _emphasis_', 'snake_case_name and emphasis'],
  ['the name when there is no heading', 'markdown', 'just text', 'name of file'],
  ['the name when the heading is empty', 'markdown', '# \n\ntext', 'name of file'],
  ['the title element', 'html', '<html><head><title> A &amp;\n B </title></head><h1>No</h1>', 'A & B'],
  ['the first h1 without a title', 'html', '<p>x<h1>Big <b>news</b></h1><h1>Later</h1>', 'Big news'],
  ['the name without either', 'html', '<p>text', 'name of file'],
  ['the name of plain text', 'plain', '# not a heading', 'name of file'],
];

describe('the title of a file', () => {
  it.each(CASES)('is %s', (_what, format, text, title) => {
    expect(titleOf('folder/name of file.md', text, format)).toBe(title);
  });

  it('is never longer than 300 characters', () => {
    expect(titleOf('a.md', `# ${'x'.repeat(1000)}`, 'markdown')).toHaveLength(300);
  });
});
