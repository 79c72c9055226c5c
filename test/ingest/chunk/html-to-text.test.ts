import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { htmlToText } from '../../../src/ingest/chunk/html-to-text.ts';
import { paragraph, split } from './support.ts';

describe('HTML to text', () => {
  it('writes headings, paragraphs and line breaks', () => {
    expect(
      htmlToText('<h1>Hello <i>you</i></h1><div>One <a href="x">link</a>,\n  two.<br>three</div><h3>\nSub\n</h3>x'),
    ).toBe('# Hello you\n\nOne link, two.\nthree\n\n### Sub\n\nx');
  });

  it('writes lists with their depth and numbers', () => {
    expect(htmlToText('<ul><li>a<li><p>b</p><p>c</p><ol><li>x</li><li>y</li></ol></li></ul>end')).toBe(
      '- a\n- b\n\n  c\n\n  1. x\n  2. y\n\nend',
    );
  });

  it('writes a table as rows, with a rule under a head', () => {
    expect(htmlToText('<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td><p>2</p><p>3</p></td></tr></table>')).toBe(
      'A | B\n--- | ---\n1 | 2 3',
    );
  });

  it('keeps preformatted text as it is, in a fence longer than any inside', () => {
    expect(htmlToText('<pre>\n<code>if (a &lt; b)\n\n  ```x```</code></pre>after')).toBe(
      '````\nif (a < b)\n\n  ```x```\n````\n\nafter',
    );
  });

  it('drops scripts, styles, templates, frames and comments', () => {
    expect(
      htmlToText(
        'a<script>if (1 < 2) evil("</div>")</script><style>p{}</style><template><p>no<template>n</template></p></template><!-- c --><iframe>x</iframe> b',
      ),
    ).toBe('a b');
  });

  it('decodes entities and keeps the text of images and links', () => {
    expect(htmlToText('&lt;tag&gt; &amp; &eacute;&#x1F600;&nbsp;<img src="x" alt="a &amp; b"><a>c</a>')).toBe(
      '\\<tag> & é😀 a & b c',
    );
  });

  it('writes quotes and definition lists', () => {
    expect(htmlToText('<blockquote><p>a</p><p>b</p></blockquote><dl><dt>t</dt><dd>d</dd></dl>')).toBe(
      '> a\n\n> b\n\nt\n\nd',
    );
  });

  it('escapes running text that Markdown would read as structure', () => {
    expect(htmlToText('<p># no heading</p><p>```</p><p>---</p><p>#hashtag</p>')).toBe(
      '\\# no heading\n\n\\```\n\n\\---\n\n#hashtag',
    );
  });

  it('makes sense of what is not well formed', () => {
    expect(htmlToText('<p>a<p>b</div></ul></table><td>c<h2>d<p>e')).toBe('a\n\nb\n\nc\n\n## d\n\ne');
    expect(htmlToText('a < b > c &unknown; <')).toBe('a < b > c &unknown; <');
    expect(htmlToText('text <unfinished attribute="')).toBe('text');
    expect(htmlToText('')).toBe('');
  });

  it('survives depth, and elements that never end', () => {
    const deep = 100_000;
    expect(htmlToText('<div>'.repeat(deep) + 'x' + '</div>'.repeat(deep))).toBe('x');
    expect(htmlToText('<b>'.repeat(deep) + 'x' + '</i>'.repeat(deep))).toBe('x');
    for (const tag of [
      '<ul><li>a',
      '<table><tr><td>a',
      '<blockquote>a',
      '<pre>a',
      '<h1>a',
      '<template>a',
      '<script>a',
      '<!--a',
    ]) {
      const text = tag.repeat(deep);
      expect(htmlToText(text).length).toBeLessThan(5 * text.length);
    }
  });

  it('reads 10 MB', () => {
    const text = htmlToText('<section><h2>T</h2><p>Hello <b>world</b> &amp; more.</p></section>\n'.repeat(150_000));
    expect(text.length).toBe('## T\n\nHello world & more.'.length * 150_000 + 2 * 149_999);
  });

  it('gives text that the chunker cuts by its headings', () => {
    const html = `<h1>A</h1><p>${paragraph(1)}</p><h2>B</h2><ul><li>${paragraph(2)}<li>y</ul><h1>C</h1><pre># no\n${paragraph(3)}</pre>`;
    const chunks = split(htmlToText(html), 'html');
    expect(chunks.map((chunk) => [chunk.headings, chunk.text])).toEqual([
      [['A'], `# A\n\n${paragraph(1)}`],
      [['A', 'B'], `## B\n\n- ${paragraph(2)}\n- y`],
      [['C'], `# C\n\n\`\`\`\n# no\n${paragraph(3)}\n\`\`\``],
    ]);
  });

  it('never throws, and leaves no white space around lines, for any soup of tags', () => {
    const soup = fc.constantFrom(
      '<p>',
      '</p>',
      '<ul>',
      '<ol>',
      '<li>',
      '</li>',
      '</ul>',
      '<table>',
      '<tr>',
      '<td>',
      '<th>',
      '</table>',
      '<pre>',
      '</pre>',
      '<h2>',
      '</h2>',
      '<br>',
      '<script>',
      '</script>',
      '<template>',
      '</template>',
      '<blockquote>',
      '</blockquote>',
      '<!--',
      '-->',
      '<',
      '&',
      '&lt;',
      'text',
      ' ',
      '\n',
      '\ud800',
      '`',
      '#',
    );
    fc.assert(
      fc.property(fc.array(soup, { maxLength: 40 }), (parts) => {
        const text = htmlToText(parts.join(''));
        expect(text).toBe(text.trimEnd());
        // Only preformatted text keeps its blank lines.
        expect(text.replace(/^(`{3,})\n[^]*?\n\1$/gmu, 'code')).not.toMatch(/\n{3}/u);
      }),
      { numRuns: 1000 },
    );
  });
});
