import { createHash } from 'node:crypto';

/** What shapes an index: two settings with equal ids write the same index. */
export interface LineId {
  readonly embedder: string;
  /** Redaction and chunking. */
  readonly rest: string;
}

const DIGITS = 4;
const NAME = /^v[1-9]\d*r?-([0-9a-f]{8})$/;

export function lineId(parts: {
  readonly embedder: string;
  readonly redactor: string;
  readonly chunker: string;
}): LineId {
  return { embedder: digest(parts.embedder), rest: digest(JSON.stringify([parts.redactor, parts.chunker])) };
}

/**
 * The name of an index that is registered on top of `revision` of the catalogue's state: `v1-8c41aa09`. Revisions only count up, so no two
 * indexes ever share a name, also after one was dropped; the digits say which settings it was made for. Short enough for the names of
 * replication slots and consumer groups that end in it.
 */
export function lineName(revision: number, id: LineId): string {
  return `v${revision + 1}-${id.embedder}${id.rest}`;
}

/** The same of an index that is to replace the live one under the same settings: `v3r-8c41aa09`. */
export function rebuildName(revision: number, id: LineId): string {
  return `v${revision + 1}r-${id.embedder}${id.rest}`;
}

export const isRebuild = (name: string): boolean => NAME.test(name) && name.includes('r-');

/** Whether the index was made for these settings. */
export function isMadeFor(name: string, id: LineId): boolean {
  return NAME.exec(name)?.[1] === id.embedder + id.rest;
}

/** Whether it was made for this embedder, whatever the other settings. True of a name that is none of ours: nothing is known of it. */
export function hasEmbedderOf(name: string, id: LineId): boolean {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined || digits.startsWith(id.embedder);
}

/**
 * What the names of an index's own replication slots, publications and consumer groups end in: `_v4_8c41aa09`. Empty for the very first
 * index of a catalogue, so that whoever never builds a second one sees the plain names.
 */
export function lineSuffix(name: string): string {
  return name.startsWith('v1-') ? '' : `_${name.replace('-', '_')}`;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
