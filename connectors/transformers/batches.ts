/**
 * Cuts texts into batches that waste little on padding: sorted by length, and each batch at most `maxTokens` padded tokens
 * (count × longest). A text longer than that goes alone.
 *
 * Returns indexes into `lengths` (tokens per text). The longest come first, so that the last batch to finish is a short one.
 */
export function cutBatches(lengths: readonly number[], maxTokens: number): readonly (readonly number[])[] {
  const byLength = lengths.map((_, index) => index).sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0));
  const batches: number[][] = [];
  let batch: number[] = [];
  let longest = 0;
  for (const index of byLength) {
    // An empty text still occupies a row.
    if (batch.length === 0) longest = Math.max(1, lengths[index] ?? 0);
    else if ((batch.length + 1) * longest > maxTokens) {
      batches.push(batch);
      batch = [];
      longest = Math.max(1, lengths[index] ?? 0);
    }
    batch.push(index);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
