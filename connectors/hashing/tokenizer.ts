import type { Tokenizer } from '../../src/ports/chunker.ts';

/** Letters and digits in a row, or any other visible character alone. */
const TOKEN = /[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu;
const IDEOGRAPHS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
/** A long word counts as several tokens, as it would for a subword tokenizer, so that an endless word is cut too. */
const TOKEN_LENGTH_MAX = 12;

/** Counts about as many tokens as a subword tokenizer would, so that chunks have the usual size. The hashing embedder needs no ids. */
export const hashingTokenizer: Tokenizer = {
  fingerprint: 'hashing-tokens-v1',
  count: (text) => {
    let count = 0;
    for (const [token] of text.matchAll(TOKEN)) {
      count += IDEOGRAPHS.test(token) ? token.length : Math.ceil(token.length / TOKEN_LENGTH_MAX);
    }
    return count;
  },
};
