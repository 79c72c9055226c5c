/** Milliseconds since the Unix epoch, UTC. Fractions carry the source's sub-millisecond digits where it has them. */
export type Instant = number;

/** RFC 3339 in UTC with milliseconds. */
export function isoInstant(instant: Instant): string {
  return new Date(instant).toISOString();
}
