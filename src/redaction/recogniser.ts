/** A half-open range of UTF-16 offsets. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Finds one kind of personal data or secret.
 *
 * - `find` is a pure function of the text, linear in its length on every input (evaluated on worst cases by `eval/redaction.ts`).
 * - It reports every validated occurrence, overlapping ones too; the caller resolves overlaps.
 * - It never reports a part of a placeholder such as `[EMAIL]` or `[HASH_0123456789ab]`.
 */
export interface Recogniser {
  /** The placeholder's name: UPPER_SNAKE, `EMAIL` gives `[EMAIL]`. */
  readonly label: string;
  /** Raised with every change of what is found: it is part of the settings fingerprint. */
  readonly version: number;
  find(text: string, report: (start: number, end: number) => void): void;
}
