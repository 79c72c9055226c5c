import * as zlib from 'node:zlib';
import { decompress as zstdInJavaScript } from 'fzstd';
import kafkajs from 'kafkajs';
import lz4 from 'lz4js';
import snappy from 'snappyjs';
import { FreshetError } from '../../../src/domain/errors.ts';

const { CompressionCodecs, CompressionTypes } = kafkajs;

/**
 * A batch that cannot be unpacked holds records nobody can name. `retriable` is read by kafkajs: without it, it would fetch the same batch
 * again and again, and say so only in its debug log.
 */
class CodecError extends FreshetError {
  readonly retriable = false;
}

interface Codec {
  compress(): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

/**
 * Makes kafkajs read record batches of all four codecs; gzip it has itself. Registered in the library's own table, once per process.
 * The other three are only read: what is written here goes uncompressed or as gzip.
 */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => SNAPPY;
  CompressionCodecs[CompressionTypes.LZ4] = () => LZ4;
  CompressionCodecs[CompressionTypes.ZSTD] = () => ZSTD;
}

function codec(name: string, unpack: (data: Buffer) => Uint8Array): Codec {
  return {
    compress: async () => {
      throw new CodecError('KAFKA_CODEC_READ_ONLY', 'fatal', `Records cannot be written with ${name}. Use gzip.`);
    },
    decompress: async (data) => {
      try {
        return asBuffer(unpack(data));
      } catch (cause) {
        throw new CodecError(
          'KAFKA_BATCH_CORRUPT',
          'fatal',
          `A batch of records compressed with ${name} cannot be unpacked (${data.length} bytes): it is damaged. Read it with the broker's own tools (kafka-dump-log) and start past it with a new epoch.`,
          { cause, details: { codec: name, bytes: data.length } },
        );
      }
    },
  };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Framing of the Java client (snappy-java's stream): magic, two int32 versions, then blocks, each after its int32 length. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

function unpackSnappy(data: Buffer): Buffer {
  if (!data.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappy.uncompress(data);
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < data.length; ) {
    const bytes = data.readInt32BE(at);
    at += 4;
    if (bytes < 0 || at + bytes > data.length) throw new RangeError(`block of ${bytes} bytes at ${at}`);
    blocks.push(snappy.uncompress(data.subarray(at, at + bytes)));
    at += bytes;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks);
}

/** lz4js takes the decompressed size of a frame from its blocks, and does not check that it fits. */
const unpackLz4 = (data: Buffer): Uint8Array => lz4.decompress(data, lz4.decompressBound(data));

type Unpack = (data: Uint8Array) => Uint8Array;
/** Node.js has Zstandard from 22.15 on, several times as fast. */
const nativeZstd = (zlib as { readonly zstdDecompressSync?: Unpack }).zstdDecompressSync;

const SNAPPY = codec('snappy', unpackSnappy);
const LZ4 = codec('lz4', unpackLz4);
const ZSTD = codec('zstd', nativeZstd ?? ((data) => zstdInJavaScript(data)));
