import { v5 as uuidv5 } from 'uuid';

/** Namespace of the points that are neither head nor chunk (RFC 9562 §5.5). Fixed for ever: stored ids depend on it. */
const NAMESPACE = 'b1f8cf2e-6a51-5f0e-9d0c-3f4b8f6a7c11';

export type MetaKind = 'identity' | 'settings' | 'truncation' | 'floor' | 'checkpoint' | 'key' | 'catalogue';

/** Where the one point of a kind (and a name: table, partition, source) is. Heads and chunks have their own ids. */
export function metaId(kind: MetaKind, name = ''): string {
  return uuidv5(Buffer.from(`${kind}:${JSON.stringify(name)}`), NAMESPACE);
}

const HEX_DIGITS = 12;

/**
 * The first 48 bits of a document's id (a UUID) as a number: heads and chunks can be read in the order of documents by it, which a
 * keyword has none of. Documents that share it are told apart by the reader.
 */
export function documentNumber(document: string): number {
  return Number.parseInt(document.replaceAll('-', '').slice(0, HEX_DIGITS), 16);
}
