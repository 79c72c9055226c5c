import { Cut } from './blocks.ts';
import { hashRange } from './hash.ts';
import type { Atom, Limits } from './refine.ts';

/**
 * Where to cut, as a cheapest path. The cost of a partition is a sum over its chunks and cuts, and each term looks at one chunk or one place
 * only: Viterbi paths that start differently meet again at the next clearly good cut, so an edit moves the cuts near it and no others.
 *
 * Chosen on two real edit histories together (eval/chunking.ts prints the figures); the optimum is flat, so round numbers will do.
 */
const weights = {
  /** A chunk smaller than this costs (1 - tokens/target)², a bigger one 0.3 × that. Cuts decide, size only leans. */
  targetShare: 0.5,
  oversize: 0.3,
  /** Cost of a cut by {@link Cut}; a reward from sections on. */
  cut: [4, 2, 1.5, 1, 0.8, 0.4, -0.1, -0.2, -0.3, -0.6, -1, -1.2],
  /** How much the text at a place has a say, so that among equal places the same one wins wherever the chunk began. */
  jitter: 0.7,
  glued: 5,
} as const;

/** Units of the text behind a place that its hash looks at. */
const hashedLength = 48;

/** A chunk's atoms: [first, last]. */
export type Group = readonly [first: number, last: number];

/** O(atoms × atoms per chunk); every atom holds a token at least, so the second factor is at most `maxTokens`. */
export function partition(text: string, atoms: readonly Atom[], limits: Limits): Group[] {
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

  const target = limits.maxTokens * weights.targetShare;
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
      const fill = size / target - 1;
      const cost = (costs[first] ?? 0) + (cutCosts[first] ?? 0) + fill * fill * (fill < 0 ? 1 : weights.oversize);
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

function cutCost(text: string, atom: Atom): number {
  const share = hashRange(text, atom.start, Math.min(atom.end, atom.start + hashedLength)) / 2 ** 32;
  return (weights.cut[atom.cut] ?? 0) + weights.jitter * (share - 0.5) + (atom.glued ? weights.glued : 0);
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
