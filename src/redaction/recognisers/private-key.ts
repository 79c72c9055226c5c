import type { Recogniser } from '../recogniser.ts';

const BEGIN = /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
const END = '-----END ';
/** A block longer than this is taken to have lost its end. */
const BLOCK_MAX = 32_768;
/** Lines of base64 and PEM headers, as they are or with escaped line breaks. */
const BODY = /(?:\\[nr]|[\r\n]|[A-Za-z0-9+/=]|[A-Z][A-Za-z-]{0,20}: )/y;

/** PEM and PGP private key blocks (RFC 7468, RFC 9580 §6.2), also cut off ones. */
export const privateKey: Recogniser = {
  label: 'PRIVATE_KEY',
  version: 1,
  find(text, report) {
    let nextEnd = 0; // only ever moves forward, so that many beginnings without an end stay linear
    let done = 0;
    for (const match of text.matchAll(BEGIN)) {
      if (match.index < done) continue;
      const from = match.index + match[0].length;
      if (nextEnd >= 0 && nextEnd < from) nextEnd = text.indexOf(END, from);
      if (nextEnd >= 0 && nextEnd - from <= BLOCK_MAX) {
        const close = text.indexOf('-----', nextEnd + END.length);
        done = close >= 0 && close - nextEnd <= 80 ? close + 5 : nextEnd + END.length;
      } else {
        BODY.lastIndex = from;
        done = from;
        while (BODY.test(text)) done = BODY.lastIndex;
      }
      report(match.index, done);
    }
  },
};
