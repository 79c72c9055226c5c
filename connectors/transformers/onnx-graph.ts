/**
 * Just enough of the ONNX protobuf to tell whether a model file is whole and what it needs beside it.
 *
 * Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: ModelProto.graph = 7, GraphProto.initializer = 5,
 * TensorProto.external_data = 13 with StringStringEntryProto key = 1, value = 2. Wire format: https://protobuf.dev/programming-guides/encoding.
 */
export interface OnnxGraph {
  /** External data files by their name beside the graph, and how many bytes each must have at least. */
  readonly externalBytes: ReadonlyMap<string, number>;
}

/** Thrown when a field ends behind the end of the file, or the file is no protobuf at all. */
export class TruncatedGraph extends Error {}

const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const TENSOR_EXTERNAL_DATA = 13;
const ENTRY_KEY = 1;
const ENTRY_VALUE = 2;

export function readOnnxGraph(bytes: Uint8Array): OnnxGraph {
  const externalBytes = new Map<string, number>();
  let graphs = 0;
  for (const graph of messages(bytes, MODEL_GRAPH)) {
    graphs++;
    for (const tensor of messages(graph, GRAPH_INITIALIZER)) {
      const entries = new Map([...messages(tensor, TENSOR_EXTERNAL_DATA)].map(entry));
      const location = entries.get('location');
      if (location === undefined) continue;
      const end = Number(entries.get('offset') ?? 0) + Number(entries.get('length') ?? 0);
      externalBytes.set(location, Math.max(end, externalBytes.get(location) ?? 0));
    }
  }
  if (graphs === 0) throw new TruncatedGraph('the file holds no graph');
  return { externalBytes };
}

function entry(bytes: Uint8Array): [string, string] {
  const text = (field: number): string => {
    const [value] = messages(bytes, field);
    return value === undefined ? '' : Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8');
  };
  return [text(ENTRY_KEY), text(ENTRY_VALUE)];
}

/** The length-delimited fields numbered `wanted`; every other field is stepped over, so the walk proves the message whole. */
function* messages(bytes: Uint8Array, wanted: number): Generator<Uint8Array> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63) throw new TruncatedGraph('a number is cut off');
      // Multiplying keeps lengths beyond 2^31 right, where shifting would wrap.
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        varint();
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (at + length > bytes.length) throw new TruncatedGraph('a field is cut off');
        if (field === wanted) yield bytes.subarray(at, at + length);
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new TruncatedGraph('the file is no ONNX model');
    }
  }
  if (at > bytes.length) throw new TruncatedGraph('a field is cut off');
}
