import { Cut } from './blocks.ts';
import { hashRange } from './hash.ts';
import type { Atom, Limits } from './refine.ts';

/**
 * Where to cut, as a cheapest path. The cost of a partition is a sum over its chunks and cuts, and each term looks at one chunk or one place
 * only. A place where the text behind it hashes low is a bargain: paths that began differently meet there, so an edit moves the cuts
 * near it and no others, also where there is no heading to hold on to.
 *
 * Chosen on two real edit histories together (eval/chunking.ts prints the figures); the optimum is flat, so round numbers will do.
 */
const weights = {
  /** A chunk smaller than this share of the limit costs (1 - tokens/target)², a bigger one `oversize` × that. */
  targetShare: 0.5,
  oversize: 0.3,
  /** A chunk smaller than this share costs up to `tiny` more: it says too little to be found by. */
  tinyShare: 0.2,
  tiny: 2,
  /** Cost of a cut by strength, in the order of {@link Cut}; a reward from sections on, and always after front matter. */
  cut: [1.5, 0.8, 0.7, 0.6, 0.5, 0.3, -0.3, -0.5, -0.8, -1, -1.5, -2, -1000],
  /** Added to cuts that part a glued block, and to those inside a section that fits in one chunk. */
  glued: 5,
  whole: 4,
} as const;

/** Units of the text behind a place that its hash looks at. */
const hashedLength = 256;

/** A chunk's atoms: [first, last]. */
export type Group = readonly [first: number, last: number];

/** O(atoms × atoms per chunk); every atom holds a token at least, so the second factor is at most `maxTokens`. */
export function partition(text: string, atoms: readonly Atom[], limits: Limits, sizeCosts: SizeCosts): Group[] {
  const count = atoms.length;
  const starts = new Int32Array(count);
  const tokens = new Int32Array(count);
  const cutCosts = new Float64Array(count);
  atoms.forEach((atom, index) => {
    starts[index] = atom.start;
    tokens[index] = Math.max(1, atom.tokens);
    cutCosts[index] = index === 0 ? 0 : cutCost(text, atom);
  });
  raiseGlued(atoms, cutCosts);
  keepSections(atoms, cutCosts, limits);

  const costs = new Float64Array(count + 1);
  const from = new Int32Array(count + 1);
  for (let last = 0; last < count; last++) {
    const end = atoms[last]?.end ?? 0;
    let size = 0;
    let best = Infinity;
    let bestFirst = last;
    for (let first = last; first >= 0; first--) {
      size += tokens[first] ?? 0;
      if (first < last && (size > limits.maxTokens || end - (starts[first] ?? 0) > limits.maxLength)) break;
      const cost = (costs[first] ?? 0) + (cutCosts[first] ?? 0) + (sizeCosts[size] ?? 0);
      if (cost >= best) continue;
      best = cost;
      bestFirst = first;
    }
    costs[last + 1] = best;
    from[last + 1] = bestFirst;
  }

  const groups: Group[] = [];
  for (let end = count; end > 0; end = from[end] ?? 0) groups.push([from[end] ?? 0, end - 1]);
  return groups.reverse();
}

/** The cost of a chunk by its tokens, 0 … maxTokens. */
export type SizeCosts = Float64Array;

export function sizeCostsUpTo(maxTokens: number): SizeCosts {
  const target = maxTokens * weights.targetShare;
  const tiny = maxTokens * weights.tinyShare;
  return Float64Array.from({ length: maxTokens + 1 }, (_, tokens) => {
    const fill = tokens / target - 1;
    return fill * fill * (fill < 0 ? 1 : weights.oversize) + weights.tiny * Math.max(0, 1 - tokens / tiny);
  });
}

function cutCost(text: string, atom: Atom): number {
  const hash = hashRange(text, atom.start, Math.min(atom.end, atom.start + hashedLength));
  return (weights.cut[atom.cut] ?? 0) + bargain(hash) + (atom.glued ? weights.glued : 0);
}

/**
 * Of a uniform 32-bit hash: 0.5 + 0.35 × log2 of its share of the range, about 0 on average and rarely far below (-3 at least).
 * The logarithm is linear between powers of two, so that it is the same number on every machine.
 */
function bargain(hash: number): number {
  const zeros = Math.clz32(hash);
  const rest = zeros >= 31 ? 0 : ((hash << (zeros + 1)) >>> 0) / 2 ** 32;
  return 0.5 + 0.35 * Math.max(-10, rest - zeros - 1);
}

/** A heading glued to an opening tag before it: the good place to cut is before the tag. */
function raiseGlued(atoms: readonly Atom[], cutCosts: Float64Array): void {
  for (let index = atoms.length - 1; index > 1; index--) {
    const atom = atoms[index];
    const opener = atoms[index - 1];
    if (atom?.glued && opener !== undefined && atom.cut > opener.cut && atom.cut > Cut.block) {
      cutCosts[index - 1] = Math.min(cutCosts[index - 1] ?? 0, (cutCosts[index] ?? 0) - weights.glued);
    }
  }
}

/** A section (blocks under the same heading) that fits is not cut. */
function keepSections(atoms: readonly Atom[], cutCosts: Float64Array, limits: Limits): void {
  for (let first = 0, end = 0; first < atoms.length; first = end) {
    let tokens = 0;
    for (; end < atoms.length && atoms[end]?.headings === atoms[first]?.headings; end++)
      tokens += atoms[end]?.tokens ?? 0;
    if (tokens > limits.maxTokens) continue;
    for (let inside = first + 1; inside < end; inside++) cutCosts[inside] = (cutCosts[inside] ?? 0) + weights.whole;
  }
}
