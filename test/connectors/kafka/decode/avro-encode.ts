/** Writes Avro's binary encoding: just enough to test a reader with. */
export function encodeLong(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

export const encodeText = (text: string): number[] => {
  const bytes = Buffer.from(text);
  return [...encodeLong(bytes.length), ...bytes];
};

export const encodeDouble = (value: number): number[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [...bytes];
};

/** In Confluent's wire format. */
export const framed = (schema: number, data: readonly number[]): Uint8Array => {
  const bytes = Buffer.alloc(5 + data.length);
  bytes.writeUInt32BE(schema, 1);
  bytes.set(data, 5);
  return bytes;
};
