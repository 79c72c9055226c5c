import { isBase64Url } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

/** `{"alg":""}` is the shortest header, and longer ones than a few hundred bytes do not occur (RFC 7515 §4). */
const HEADER_MIN = 14;
const HEADER_MAX = 8192;

function isHeader(segment: string): boolean {
  if (segment.length < HEADER_MIN || segment.length > HEADER_MAX) return false;
  const json = Buffer.from(segment, 'base64url').toString('utf8');
  if (!json.endsWith('}')) return false;
  try {
    const header: unknown = JSON.parse(json);
    return header !== null && typeof header === 'object' && ('alg' in header || 'typ' in header || 'enc' in header);
  } catch {
    return false; // not JSON: no token
  }
}

/** JSON web tokens (RFC 7519): three segments signed, five encrypted, two where the signature was cut off. `eyJ` is `{"` in base64. */
export const jwt: Recogniser = {
  label: 'JWT',
  version: 1,
  find(text, report) {
    let end = 0;
    for (let start = text.indexOf('eyJ'); start >= 0; start = text.indexOf('eyJ', end)) {
      end = start;
      let headerEnd = -1;
      for (let segment = 0; segment < 5; segment++) {
        const from = segment === 0 ? start : end + 1;
        let to = from;
        while (isBase64Url(text.charCodeAt(to))) to++;
        if (segment === 0) headerEnd = to;
        else if (to === from && segment !== 2) break; // an empty signature is legal, an empty payload is not
        end = to;
        if (text[to] !== '.') break;
      }
      if (end > headerEnd && isHeader(text.slice(start, headerEnd))) report(start, end);
      end = Math.max(headerEnd, start + 3);
    }
  },
};
