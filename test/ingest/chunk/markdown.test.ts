import { describe, expect, it } from 'vitest';
import { markdownBlocks } from '../../../src/ingest/chunk/markdown.ts';

function shape(text: string): string[] {
  return markdownBlocks(text).map((block) => `${block.kind}: ${text.slice(block.start, block.end)}`);
}

describe('markdown blocks', () => {
  it('knows ATX and setext headings and the path they make', () => {
    const text = '# One #\n\nintro\n\nTwo {#two}\n---\ntext\n### Three\nmore\n# Four\nend';
    const blocks = markdownBlocks(text);
    expect(blocks.map((block) => block.headings)).toEqual([
      ['One'],
      ['One'],
      ['One', 'Two'],
      ['One', 'Two'],
      ['One', 'Two', 'Three'],
      ['One', 'Two', 'Three'],
      ['Four'],
      ['Four'],
    ]);
    expect(shape(text)[2]).toBe('heading: Two {#two}\n---');
  });

  it('takes no heading from fenced code, seven hashes or a hash without a space', () => {
    expect(
      shape('```sh\n# not a heading\n```\n\n####### seven\n\n#tag').filter((line) => line.startsWith('heading')),
    ).toEqual([]);
  });

  it('keeps a fence with blank lines and inner, shorter fences in one block', () => {
    expect(shape('before\n````md\n```js\n\nx\n```\n````\nafter')).toEqual([
      'paragraph: before',
      'code: ````md\n```js\n\nx\n```\n````',
      'paragraph: after',
    ]);
  });

  it('lets an unclosed fence run to the end', () => {
    expect(shape('a\n\n~~~\ncode\n\n# still code')).toEqual(['paragraph: a', 'code: ~~~\ncode\n\n# still code']);
  });

  it('takes inline code that begins a line for a paragraph', () => {
    expect(shape('```inline``` code')).toEqual(['paragraph: ```inline``` code']);
  });

  it('parts list items, nested ones and code inside them', () => {
    expect(shape('- one\n  goes on\n- two\n  - nested\n\n  ```\n  code\n  ```\n1. three\n\nend')).toEqual([
      'item: - one\n  goes on',
      'item: - two',
      'item: - nested',
      'code: ```\n  code\n  ```',
      'item: 1. three',
      'paragraph: end',
    ]);
  });

  it('takes the line above a delimiter row as the head of a table', () => {
    expect(shape('lead\nA | B\n--- | ---\n1 | 2\n\nafter')).toEqual([
      'paragraph: lead',
      'table: A | B\n--- | ---\n1 | 2',
      'paragraph: after',
    ]);
  });

  it('keeps front matter apart, also after a byte order mark and with CRLF', () => {
    expect(shape('\ufeff---\r\ntitle: x\r\n---\r\n# H\r\ntext')).toEqual([
      'front-matter: ---\r\ntitle: x\r\n---',
      'heading: # H',
      'paragraph: text',
    ]);
  });

  it('takes a thematic break for front matter only when a second one follows', () => {
    expect(shape('---\n\njust text')[0]).toBe('paragraph: ---');
  });

  it('keeps scripts, comments and blocks of tags whole', () => {
    expect(
      shape(
        '<script setup>\n\nconst a = 1;\n</script>\n\n<!-- one\n\ntwo -->\n\n<details>\n<summary>s</summary>\n\ntext',
      ),
    ).toEqual([
      'html: <script setup>\n\nconst a = 1;\n</script>',
      'html: <!-- one\n\ntwo -->',
      'html: <details>',
      'html: <summary>s</summary>',
      'paragraph: text',
    ]);
  });

  it('glues what follows a heading or an opening tag, and a closing tag, to what comes before', () => {
    const blocks = markdownBlocks('## H\n\n<div class="a">\n\ntext\n\n</div>\n\nmore\n\n::: tip\nhint\n:::');
    expect(blocks.map((block) => block.glued)).toEqual([false, true, true, true, false, false, true, true]);
  });

  it('keeps a quote in one block', () => {
    expect(shape('> a\n> b\nlazy\n\nc')).toEqual(['quote: > a\n> b\nlazy', 'paragraph: c']);
  });

  it('reads LF, CRLF and CR lines alike', () => {
    const text = '# H\n\npara\nline two\n\n- a\n- b\n\n```\nx\n\ny\n```\nend';
    const kinds = (ending: string): string[] =>
      markdownBlocks(text.replaceAll('\n', ending)).map((block) => block.kind);
    expect(kinds('\r\n')).toEqual(kinds('\n'));
    expect(kinds('\r')).toEqual(kinds('\n'));
  });
});
