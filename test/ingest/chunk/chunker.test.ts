import { describe, expect, it } from 'vitest';
import { createChunker } from '../../../src/ingest/chunk/chunker.ts';
import type { Tokenizer } from '../../../src/ports/chunker.ts';
import { paragraph, redactedDocument, sentence, split, texts, wordTokenizer } from './support.ts';

describe('the chunker', () => {
  it('gives no chunks for empty text and for white space', () => {
    for (const format of ['markdown', 'html', 'plain'] as const) {
      expect(split('', format)).toEqual([]);
      expect(split(' \n\t\r\n\u00a0\u3000\ufeff ', format)).toEqual([]);
    }
  });

  it('keeps a small document in one chunk, trimmed', () => {
    expect(split('\n  Hello there.\n\nAnd more.  \n', 'plain')).toEqual([
      {
        text: 'Hello there.\n\nAnd more.',
        start: 3,
        end: 26,
        headings: [],
        tokens: wordTokenizer.count('Hello there. And more.'),
      },
    ]);
  });

  it('begins a chunk at each section and names the path, the own heading included', () => {
    const text = `# Guide\n\n${paragraph(1)}\n\n## Install\n\n${paragraph(2)}\n\n## Use\n\n${paragraph(3)}`;
    const chunks = split(text);
    expect(chunks.map((chunk) => chunk.headings)).toEqual([['Guide'], ['Guide', 'Install'], ['Guide', 'Use']]);
    expect(texts(chunks).map((chunk) => chunk.split('\n')[0])).toEqual(['# Guide', '## Install', '## Use']);
  });

  it('never mixes front matter with text', () => {
    const chunks = split('---\ntitle: A\n---\nShort text.');
    expect(texts(chunks)).toEqual(['---\ntitle: A\n---', 'Short text.']);
    expect(chunks[0]?.headings).toEqual([]);
  });

  it('keeps a heading with what follows it', () => {
    const text = Array.from({ length: 12 }, (_, n) => `#### Part ${n}\n\n${paragraph(n, 2)}`).join('\n\n');
    for (const chunk of texts(split(text))) {
      expect(chunk).toMatch(/^#### Part/u);
      expect(chunk).not.toMatch(/#### Part \d+$/u);
    }
  });

  it('does not cut a fence that fits, whatever stands around it', () => {
    const fence = `\`\`\`js\n${Array.from({ length: 12 }, (_, n) => `const name${n} = ${n};`).join('\n\n')}\n\`\`\``;
    expect(wordTokenizer.count(fence)).toBeLessThanOrEqual(200);
    for (let before = 0; before < 12; before++) {
      const text = `${paragraph(1, before)}\n\n${fence}\n\n${paragraph(2, 9)}`;
      expect(texts(split(text)).filter((chunk) => chunk.includes(fence))).toHaveLength(1);
    }
  });

  it('cuts a fence longer than a chunk at its lines', () => {
    const lines = Array.from({ length: 80 }, (_, n) => `const someName${n} = compute(${n});`);
    const chunks = texts(split(`\`\`\`js\n${lines.join('\n')}\n\`\`\``));
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks) {
      for (const line of chunk.split('\n')) expect(['```js', '```', ...lines]).toContain(line);
    }
  });

  it('cuts a long table at its rows and a long list at its items', () => {
    const rows = Array.from({ length: 60 }, (_, n) => `| name ${n} | value of ${n} | some more text ${n} |`);
    const table = `| a | b | c |\n|---|---|---|\n${rows.join('\n')}`;
    for (const chunk of texts(split(table))) expect(chunk).toMatch(/^\|[^]*\|$/u);
    const list = Array.from({ length: 40 }, (_, n) => `- ${sentence(n)}`).join('\n');
    for (const chunk of texts(split(list))) expect(chunk).toMatch(/^- [^]*\.$/u);
  });

  it('cuts a paragraph longer than a chunk at its sentences', () => {
    const chunks = texts(split(paragraph(3, 60), 'plain'));
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks) expect(chunk).toMatch(/^The [^]*\.$/u);
  });

  it('cuts Chinese and Japanese at their full stops, and between words where there are none', () => {
    const stops = texts(split('今日は天気がいいですね。'.repeat(200), 'plain'));
    expect(stops.length).toBeGreaterThan(1);
    for (const chunk of stops) expect(chunk).toMatch(/。$/u);
    const unbroken = split('漢字仮名交じり文'.repeat(500), 'plain');
    expect(unbroken.length).toBeGreaterThan(1);
    expect(texts(unbroken).join('')).toBe('漢字仮名交じり文'.repeat(500));
  });

  it('never parts a family emoji, a flag or a letter from its marks', () => {
    for (const grapheme of ['👨‍👩‍👧‍👦', '🇩🇪', 'e\u0301']) {
      const text = grapheme.repeat(900);
      const chunks = texts(split(text, 'plain', 40));
      expect(chunks.length).toBeGreaterThan(5);
      expect(chunks.join('')).toBe(text);
      for (const chunk of chunks) expect(chunk.length % grapheme.length).toBe(0);
    }
  });

  it('counts only what the headings of a chunk have in common', () => {
    const chunks = split('# A\n\n#### x\n\none\n\n#### y\n\ntwo');
    expect(chunks.map((chunk) => chunk.headings)).toEqual([['A']]);
  });

  it('lowers the limit to the model’s and refuses one that is no limit', () => {
    const text = paragraph(1, 60);
    const chunker = createChunker({ tokenizer: wordTokenizer, maxTokens: 400, modelMaxTokens: 50 });
    for (const chunk of chunker.split(redactedDocument(text))) expect(chunk.tokens).toBeLessThanOrEqual(50);
    for (const maxTokens of [0, -1, 7, 12.5, Number.NaN, Infinity]) {
      expect(() => createChunker({ tokenizer: wordTokenizer, maxTokens })).toThrow(
        expect.objectContaining({ code: 'CHUNKER_SETTINGS', kind: 'fatal' }),
      );
    }
  });

  it('changes its fingerprint with the limit and with the tokenizer, and with nothing else', () => {
    const fingerprint = (maxTokens: number, tokenizer: Tokenizer = wordTokenizer): string =>
      createChunker({ tokenizer, maxTokens }).fingerprint;
    expect(fingerprint(200)).toBe(createChunker({ tokenizer: wordTokenizer }).fingerprint);
    expect(fingerprint(200)).not.toBe(fingerprint(100));
    expect(fingerprint(200)).not.toBe(fingerprint(200, { ...wordTokenizer, fingerprint: 'other' }));
  });

  it('halves what a tokenizer that joins words counts higher than its parts', () => {
    // Parts are cheap, the whole is dear: additive estimates are too low by far.
    const tokenizer: Tokenizer = {
      fingerprint: 'test-joins',
      count: (text) => Math.ceil((text.trim().length / 8) ** 1.2),
    };
    const text = paragraph(5, 40);
    const chunks = createChunker({ tokenizer }).split(redactedDocument(text, 'plain'));
    for (const chunk of chunks) {
      expect(chunk.tokens).toBe(tokenizer.count(chunk.text));
      expect(chunk.tokens).toBeLessThanOrEqual(200);
    }
    expect(texts(chunks).join('').replace(/\s/gu, '')).toBe(text.replace(/\s/gu, ''));
  });

  it('leaves out text without a single token', () => {
    const tokenizer: Tokenizer = { fingerprint: 'test-letters', count: (text) => (text.match(/\w+/gu) ?? []).length };
    const chunker = createChunker({ tokenizer });
    expect(chunker.split(redactedDocument('\u0000\u0000'))).toEqual([]);
    expect(texts(chunker.split(redactedDocument('\u0000 word')))).toEqual(['\u0000 word']);
  });
});

describe('the chunker on bad input', () => {
  /** Text that a careless chunker loops over, overflows on or reads again and again. */
  const bad: Record<string, string> = {
    'one endless word': 'x'.repeat(1_000_000),
    'an endless word of many marks': `a${'\u0301'.repeat(100_000)}`,
    'lone surrogates': '\ud800'.repeat(50_000),
    'lone surrogates the other way round': '\udc00\ud800'.repeat(20_000),
    'NUL characters': '\u0000'.repeat(50_000),
    'tiny lines': 'a\n'.repeat(100_000),
    'tiny paragraphs': 'a\n\n'.repeat(30_000),
    'tiny sections': '# a\n\nb\n\n'.repeat(10_000),
    'deep lists': Array.from({ length: 1_000 }, (_, n) => `${' '.repeat(n)}- a`).join('\n'),
    'deep quotes': '>'.repeat(100_000),
    'deep HTML': `${'<div>'.repeat(20_000)}x${'</div>'.repeat(20_000)}`,
    'unclosed tags': '<a '.repeat(50_000),
    'unclosed comments': '<!--\n'.repeat(30_000),
    'unclosed fences': '```\n\n~~~\n\n'.repeat(20_000),
    'a long heading': `# ${'{'.repeat(100_000)}`,
    'delimiter rows': 'a|b\n|-|-|\n'.repeat(20_000),
    'setext underlines': 'a\n=\n'.repeat(30_000),
    'full stops': '. '.repeat(100_000),
    'Mac line ends': 'a b c\r'.repeat(30_000),
    '10 MB of prose': `${paragraph(1, 20)}\n\n`.repeat(8_000),
  };

  for (const [what, text] of Object.entries(bad)) {
    it(`is exact and reads the text a bounded number of times: ${what}`, () => {
      for (const format of ['markdown', 'plain'] as const) {
        let read = 0;
        const tokenizer: Tokenizer = {
          fingerprint: 'counting',
          count(part) {
            read += part.length;
            return Math.ceil(part.length / 4);
          },
        };
        const chunks = createChunker({ tokenizer }).split(redactedDocument(text, format));
        let end = 0;
        let kept = 0;
        for (const chunk of chunks) {
          if (chunk.start < end || chunk.tokens > 200 || text.slice(chunk.start, chunk.end) !== chunk.text) {
            expect.fail(`chunk at ${chunk.start} overlaps, is too long or is not the text`);
          }
          end = chunk.end;
          kept += chunk.text.replace(/\s/gu, '').length;
        }
        expect(kept).toBe(text.replace(/\s/gu, '').length);
        expect(read).toBeLessThanOrEqual(8 * text.length);
      }
    });
  }
});
