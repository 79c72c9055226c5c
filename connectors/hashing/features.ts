/**
 * Lexical features of a text, hashed into a fixed number of dimensions with a sign (feature hashing: Weinberger et al. 2009,
 * arXiv:0902.2206): words, and their character 3- to 5-grams with word boundaries, so that inflected and misspelt words still meet
 * (subword features as in fastText: Bojanowski et al. 2017, arXiv:1607.04606). Runs of scripts without spaces get 1- to 3-grams.
 */
const WORD = /[\p{L}\p{N}\p{M}]+|\p{S}/gu;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** Characters of one word that are looked at; a longer "word" is data, not language. */
const WORD_LENGTH_MAX = 256;

/**
 * A unit vector, the same for the same text on every machine. Never zero: a text without words (only punctuation, say), or whose
 * features cancel out, is one feature as a whole, and that holds for the empty text too.
 */
export function hashedFeatures(text: string, dimensions: number): Float32Array {
  const vector = new Float64Array(dimensions);
  const normal = text.normalize('NFKC').toLowerCase();
  for (const [word, count] of wordCounts(normal)) {
    // A word said nine times tells three times as much as one said once.
    const weight = Math.sqrt(count);
    add(vector, `w${word}`, weight);
    // The grams of a word weigh together what the word weighs.
    const grams = gramsOf(word);
    for (const gram of grams) add(vector, `g${gram}`, weight / Math.sqrt(grams.length));
  }
  let squares = vector.reduce((sum, value) => sum + value * value, 0);
  if (squares < Number.EPSILON) {
    vector.fill(0);
    add(vector, `t${normal}`, 1);
    squares = 1;
  }
  const scale = 1 / Math.sqrt(squares);
  return Float32Array.from(vector, (value) => value * scale);
}

function wordCounts(normal: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of normal.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function gramsOf(word: string): readonly string[] {
  const [shortest, longest, inner] = UNSPACED.test(word) ? [1, 3, word] : [3, 5, `<${word}>`];
  const characters = [...inner.slice(0, WORD_LENGTH_MAX)];
  const grams: string[] = [];
  for (let size = shortest; size <= longest; size++) {
    for (let at = 0; at + size <= characters.length; at++) grams.push(characters.slice(at, at + size).join(''));
  }
  return grams;
}

function add(vector: Float64Array, feature: string, weight: number): void {
  const hash = hash32(feature);
  // The lowest bit is the sign, the others the place, so that the two are independent.
  const at = (hash >>> 1) % vector.length;
  vector[at] = (vector[at] as number) + ((hash & 1) === 0 ? weight : -weight);
}

/** FNV-1a over UTF-16 units (http://www.isthe.com/chongo/tech/comp/fnv), its bits mixed by MurmurHash3's finaliser. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
