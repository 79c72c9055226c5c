import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { FreshetError } from '../../src/domain/errors.ts';
import type { LocalModel } from './model.ts';
import { KNOWN_MODEL } from './known-model.ts';
import { readOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import { parseTokenizerFile } from './wordpiece/tokenizer-file.ts';

const MEND = 'Fetch the folder again, or leave the model path out so that Freshet gets the model itself.';
const SPECIAL_TOKENS = 2;

const configSchema = z.object({
  hidden_size: z.number().int().positive(),
  max_position_embeddings: z.number().int().min(8),
});

/**
 * Checks a model folder before anything loads it: transformers.js answers a missing or half downloaded file with an error that names
 * neither. Throws MODEL_INCOMPLETE (a file is missing, empty, cut off) or MODEL_UNSUPPORTED, both fatal and naming the file.
 */
export async function inspectModelFolder(path: string): Promise<LocalModel> {
  const folder = resolve(path);
  const info = await stat(folder).catch(() => undefined);
  if (info === undefined) throw incomplete(folder, folder, 'does not exist');
  if (!info.isDirectory()) throw incomplete(folder, folder, 'is not a folder');

  const config = parseConfig(folder, await wholeFile(folder, 'config.json'));
  const tokenizer = await wholeFile(folder, 'tokenizer.json');
  parseTokenizerFile(tokenizer.toString('utf8'), join(folder, 'tokenizer.json'));
  const graph = await wholeFile(folder, 'onnx/model.onnx');
  const { externalBytes } = parseGraph(folder, graph);
  for (const [name, bytes] of externalBytes) await checkExternal(folder, name, bytes);

  const parts = [sha256(tokenizer), sha256(graph)];
  for (const name of externalBytes.keys()) parts.push(await sha256OfFile(join(folder, 'onnx', name)));
  const digest = sha256(Buffer.from(parts.join('\n'))).slice(0, 16);
  return {
    folder,
    name: digest === KNOWN_MODEL.digest ? KNOWN_MODEL.name : basename(folder),
    digest,
    dimensions: config.hidden_size,
    maxTextTokens: config.max_position_embeddings - SPECIAL_TOKENS,
    externalData: externalBytes.size > 0,
  };
}

async function wholeFile(folder: string, name: string): Promise<Buffer> {
  const bytes = await readFile(join(folder, name)).catch((cause: NodeJS.ErrnoException) => {
    throw incomplete(
      folder,
      name,
      cause.code === 'ENOENT' ? 'is missing' : `cannot be read (${cause.code ?? cause.message})`,
      cause,
    );
  });
  if (bytes.length === 0) throw incomplete(folder, name, 'is empty');
  return bytes;
}

function parseConfig(folder: string, bytes: Buffer): z.infer<typeof configSchema> {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw incomplete(folder, 'config.json', 'is not valid JSON, so it was probably cut off', cause);
  }
  const checked = configSchema.safeParse(json);
  if (checked.success) return checked.data;
  throw new FreshetError(
    'MODEL_UNSUPPORTED',
    'fatal',
    `config.json in ${folder} does not describe a BERT-like model (hidden_size, max_position_embeddings). Use one such as ${KNOWN_MODEL.name}.`,
  );
}

function parseGraph(folder: string, bytes: Buffer): OnnxGraph {
  try {
    return readOnnxGraph(bytes);
  } catch (cause) {
    throw incomplete(folder, 'onnx/model.onnx', 'is cut off or not an ONNX model', cause);
  }
}

async function checkExternal(folder: string, name: string, bytesNeeded: number): Promise<void> {
  const path = `onnx/${name}`;
  if (name !== basename(name)) throw incomplete(folder, 'onnx/model.onnx', 'points at weights outside its folder');
  const info = await stat(join(folder, path)).catch((cause: unknown) => {
    throw incomplete(folder, path, 'is missing', cause);
  });
  if (info.size < bytesNeeded)
    throw incomplete(folder, path, `is cut off: it has ${info.size} of at least ${bytesNeeded} bytes`);
}

function incomplete(folder: string, name: string, what: string, cause?: unknown): FreshetError {
  const where = name === folder ? `The model folder ${folder}` : `The model file ${name} in ${folder}`;
  return new FreshetError('MODEL_INCOMPLETE', 'fatal', `${where} ${what}. ${MEND}`, { cause, details: { file: name } });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
