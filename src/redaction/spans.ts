import type { Span } from './recogniser.ts';

export interface LabelledSpan extends Span {
  readonly label: string;
  /** Place of the recogniser in the list: lower wins between equally long matches. */
  readonly rank: number;
}

/**
 * Overlaps: whatever any recogniser validated is hidden, so overlapping matches become one span over their union. Its label is that of the
 * longest match; between equally long ones that of the recogniser listed first. Touching matches stay two.
 */
export function resolveOverlaps(spans: readonly LabelledSpan[]): readonly LabelledSpan[] {
  const sorted = [...spans].sort((a, b) => a.start - b.start || b.end - a.end || a.rank - b.rank);
  const merged: LabelledSpan[] = [];
  let longest: LabelledSpan | undefined;
  for (const span of sorted) {
    const last = merged.at(-1);
    if (last === undefined || longest === undefined || span.start >= last.end) {
      merged.push(span);
      longest = span;
      continue;
    }
    const lead = span.end - span.start - (longest.end - longest.start);
    if (lead > 0 || (lead === 0 && span.rank < longest.rank)) longest = span;
    merged[merged.length - 1] = { ...longest, start: last.start, end: Math.max(last.end, span.end) };
  }
  return merged;
}

/** The text with every span replaced by `[LABEL]`. Spans are sorted and disjoint. */
export function replaceSpans(text: string, spans: readonly LabelledSpan[]): string {
  const parts: string[] = [];
  let last = 0;
  for (const { start, end, label } of spans) {
    parts.push(text.slice(last, start), `[${label}]`);
    last = end;
  }
  parts.push(text.slice(last));
  return parts.join('');
}
