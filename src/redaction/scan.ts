import { FreshetError } from '../domain/errors.ts';
import { foldText } from './fold.ts';
import type { Recogniser } from './recogniser.ts';
import { type LabelledSpan, replaceSpans, resolveOverlaps } from './spans.ts';

/** A replacement can free what it touched (`4111…-317-60-6020`), so the result is looked at again. Texts settle in two passes, rarely three. */
const PASSES_MAX = 8;

/** What the recognisers find, in the text as it stands and as a reader sees it, as disjoint spans of the text. */
export function findPersonalData(text: string, recognisers: readonly Recogniser[]): readonly LabelledSpan[] {
  const folded = foldText(text);
  const spans: LabelledSpan[] = [];
  recognisers.forEach((recogniser, rank) => {
    const { label } = recogniser;
    const report = (start: number, end: number, length: number): void => {
      if (!(start >= 0 && start < end && end <= length)) throw failure(label, 'INVALID_SPAN', text.length);
    };
    try {
      recogniser.find(text, (start, end) => {
        report(start, end, text.length);
        spans.push({ start, end, label, rank });
      });
      if (folded === undefined) return;
      recogniser.find(folded.text, (start, end) => {
        report(start, end, folded.text.length);
        spans.push({ ...folded.toSource(start, end), label, rank });
      });
    } catch (error) {
      // The cause's message may quote the text: only its name goes on.
      throw error instanceof FreshetError
        ? error
        : failure(label, error instanceof Error ? error.name : typeof error, text.length);
    }
  });
  return resolveOverlaps(spans);
}

/** @throws FreshetError `poison` REDACTION_FAILED, without the text. */
export function redactString(text: string, recognisers: readonly Recogniser[]): string {
  let current = text;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const spans = findPersonalData(current, recognisers);
    if (spans.length === 0) return current;
    current = replaceSpans(current, spans);
  }
  if (findPersonalData(current, recognisers).length === 0) return current;
  throw failure('all', 'UNSTABLE', text.length);
}

function failure(recogniser: string, reason: string, length: number): FreshetError {
  return new FreshetError(
    'REDACTION_FAILED',
    'poison',
    `Redaction by ${recogniser} failed (${reason}) on a text of ${length} UTF-16 units. The text was not passed on. ` +
      'Mend or remove the recogniser, then retry the dead letter.',
    { details: { recogniser, reason, length } },
  );
}
