/** Of a unit vector's components: finer than a 32-bit float tells its larger ones apart, and far below what an angle is measured by. */
const VECTOR_DECIMALS = 1e9;
const WEIGHT_DECIMALS = 1e6;

/** As numbers for JSON. A 32-bit float printed as the 64-bit one it became has 17 digits; this has nine, in half the bytes. */
export const vectorNumbers = (vector: Float32Array): number[] =>
  Array.from(vector, (value) => Math.round(value * VECTOR_DECIMALS) / VECTOR_DECIMALS);

/** A term's weight, kept as a 32-bit float in the index. */
export const weightNumber = (weight: number): number => Math.round(weight * WEIGHT_DECIMALS) / WEIGHT_DECIMALS;
