// What codecs.ts uses of packages that bring no types.
declare module 'snappyjs' {
  const snappy: {
    uncompress(data: Buffer): Buffer;
  };
  export default snappy;
}

declare module 'lz4js' {
  const lz4: {
    decompressBound(data: Uint8Array): number;
    decompress(data: Uint8Array, maxSize: number): Uint8Array;
  };
  export default lz4;
}
