/**
 * Mean over the tokens of each row, then L2 normalisation: what sentence-transformers models of this family were trained with.
 *
 * @param hidden `[rows, width, dimensions]`, row-major
 * @param lengths real tokens per row; the rest of the row is padding and does not count
 * @returns one vector per row, each with its own buffer, so that it can be transferred and outlive the batch
 */
export function meanPool(
  hidden: Float32Array,
  lengths: Int32Array,
  width: number,
  dimensions: number,
): Float32Array<ArrayBuffer>[] {
  return Array.from(lengths, (length, row) => {
    const sum = new Float32Array(dimensions);
    let at = row * width * dimensions;
    for (let token = 0; token < length; token++) {
      for (let d = 0; d < dimensions; d++) sum[d] = (sum[d] as number) + (hidden[at++] as number);
    }
    return normalised(sum);
  });
}

/** In place. The mean's divisor cancels out here. */
function normalised(vector: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  let squares = 0;
  for (const value of vector) squares += value * value;
  // A vector that is not a number would poison every search it takes part in.
  if (!Number.isFinite(squares) || squares === 0) throw new Error('the model computed a vector without a direction');
  const scale = 1 / Math.sqrt(squares);
  for (let d = 0; d < vector.length; d++) vector[d] = (vector[d] as number) * scale;
  return vector;
}
