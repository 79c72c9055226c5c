import type { Document, Redacted } from '../domain/document.ts';

/**
 * The only minter of the {@link Redacted} brand. Pure: the same input under the same rules gives the same output.
 * Running it over its own output changes nothing. A failure is `poison` and never passes the text through.
 */
export interface Redactor {
  /** Covers the rules; a change makes a new generation. */
  readonly fingerprint: string;
  /** Redacts text, title, uri and metadata. Column rules (drop, hash, mask) already ran in the mapping. */
  redact(document: Document): Redacted<Document>;
  /** Queries pass the same rules, so that a placeholder still finds its document. */
  redactText(text: string): Redacted<string>;
}
