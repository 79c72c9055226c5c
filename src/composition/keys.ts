import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FreshetError } from '../domain/errors.ts';

/** Keys of one data folder, made on its first start. Losing them loses dead letters' row keys and stable hashes, nothing else. */
export interface DataKeys {
  /** HMAC key of hashed columns, principals and row hashes. */
  readonly hash: Uint8Array;
  /** AES-256 key that seals row keys in dead letters. */
  readonly seal: Uint8Array;
  /** Lets the CLI of this machine's user in. New at every start would break a CLI that reads an old instance file, so it is kept. */
  readonly adminToken: string;
}

const KEY_BYTES = 32;

export function loadKeys(dataDir: string): DataKeys {
  const file = join(dataDir, 'keys.json');
  const text = readIfThere(file);
  if (text === undefined) return createKeys(file);
  try {
    const { hash, seal, adminToken } = JSON.parse(text) as Record<'hash' | 'seal' | 'adminToken', string>;
    const keys = { hash: Buffer.from(hash, 'base64'), seal: Buffer.from(seal, 'base64'), adminToken };
    if (keys.hash.length !== KEY_BYTES || keys.seal.length !== KEY_BYTES || adminToken.length < KEY_BYTES) {
      throw new SyntaxError('lengths');
    }
    return keys;
  } catch (cause) {
    throw new FreshetError(
      'KEYS_UNREADABLE',
      'fatal',
      `${file} is damaged. Restore it from a backup. Without one, move it, state.sqlite and index.sqlite away and start again: ` +
        'the sources are indexed anew, only pushed documents must be pushed again.',
      { cause },
    );
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FreshetError('KEYS_UNREADABLE', 'fatal', `${file} cannot be read. Check its permissions.`, {
      cause: error,
    });
  }
}

/** Written aside, synced and renamed: a crash leaves either no keys or whole ones. */
function createKeys(file: string): DataKeys {
  const keys = {
    hash: randomBytes(KEY_BYTES),
    seal: randomBytes(KEY_BYTES),
    adminToken: randomBytes(KEY_BYTES).toString('base64url'),
  };
  const { hash, seal, adminToken } = keys;
  const text = JSON.stringify({ hash: hash.toString('base64'), seal: seal.toString('base64'), adminToken });
  const aside = `${file}.new`;
  const descriptor = openSync(aside, 'w', 0o600);
  try {
    writeSync(descriptor, `${text}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(aside, file);
  return keys;
}
