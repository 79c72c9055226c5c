import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { Document, DocumentAttributes, Metadata, MetadataValue, Redacted } from '../domain/document.ts';
import { FreshetError } from '../domain/errors.ts';
import type { Redactor } from '../ports/redactor.ts';
import { keyId, requireKey } from './key.ts';
import { principalId } from './principals.ts';
import type { Recogniser } from './recogniser.ts';
import { creditCard } from './recognisers/credit-card.ts';
import { DEFAULT_RECOGNISERS } from './recognisers/index.ts';
import { redactString } from './scan.ts';

export interface RedactorOptions {
  /** Hashes principals and columns. Needed as soon as an access list names people or a column is hashed; at least 16 bytes. */
  readonly key?: Uint8Array;
  /** Instead of the default ones; put `...DEFAULT_RECOGNISERS` first to add to them. */
  readonly recognisers?: readonly Recogniser[];
}

/** The port, and the access check's half of it. */
export interface PrincipalRedactor extends Redactor {
  /** What a search must do to the caller's principals before it compares them: see {@link principalId}. */
  principalId(principal: string): string;
}

/** Raised when what is redacted, or how it is written, changes otherwise than in a recogniser. */
const RULES_VERSION = 1;

/** @throws FreshetError `fatal` on a key that is too short or recognisers that share a label. */
export function createRedactor(options: RedactorOptions = {}): PrincipalRedactor {
  const recognisers = options.recognisers ?? DEFAULT_RECOGNISERS;
  const key = options.key === undefined ? undefined : requireKey(options.key, 'Redaction');
  checkLabels(recognisers);

  const redact = (text: string): string => redactString(text, recognisers);
  const toPrincipalId = (principal: string): string => principalId(principal, key, recognisers);
  const redactValue = (value: MetadataValue): MetadataValue => {
    if (typeof value === 'string') return redact(value);
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number')
      return recognisers.includes(creditCard) && isCardAsNumber(value) ? `[${creditCard.label}]` : value;
    return value.map(redact);
  };
  const redactAttributes = (attributes: DocumentAttributes): DocumentAttributes => ({
    tenant: attributes.tenant,
    access: attributes.access.map(toPrincipalId),
    title: redact(attributes.title),
    uri: redact(attributes.uri),
    metadata: redactMetadata(attributes.metadata, redactValue),
  });

  return {
    fingerprint: fingerprintOf(recognisers, key),
    redact(document: Document): Redacted<Document> {
      const redacted: Document = {
        ...document,
        attributes: redactAttributes(document.attributes),
        text: redact(document.text),
      };
      return redacted as Redacted<Document>;
    },
    redactText: (text) => redact(text) as Redacted<string>,
    principalId: toPrincipalId,
  };
}

/** Covers the rules and which key is in use, never the key. */
function fingerprintOf(recognisers: readonly Recogniser[], key: Uint8Array | undefined): string {
  const rules = {
    rules: RULES_VERSION,
    recognisers: recognisers.map(({ label, version }) => [label, version]),
    key: key === undefined ? null : keyId(key),
  };
  return createHash('sha256').update(canonicalJson(rules)).digest('hex');
}

/** Names of fields are part of the mapping and stay; their values may hold anything. */
function redactMetadata(metadata: Metadata, redact: (value: MetadataValue) => MetadataValue): Metadata {
  return Object.fromEntries(Object.entries(metadata).map(([field, value]) => [field, redact(value)]));
}

/** Card numbers are the one kind that fits in a number and is validated well enough to replace one. */
function isCardAsNumber(value: number): boolean {
  if (!Number.isSafeInteger(value)) return false;
  let found = false;
  creditCard.find(String(value), () => (found = true));
  return found;
}

function checkLabels(recognisers: readonly Recogniser[]): void {
  const labels = recognisers.map(({ label }) => label);
  const bad = labels.find((label, index) => !/^[A-Z][A-Z0-9_]{0,31}$/.test(label) || labels.indexOf(label) !== index);
  if (bad === undefined) return;
  throw new FreshetError(
    'REDACTION_RECOGNISER_INVALID',
    'fatal',
    `The recogniser "${bad}" must have a label of its own in UPPER_SNAKE, at most 32 characters long.`,
  );
}
