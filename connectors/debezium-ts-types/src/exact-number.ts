import { DebeziumDecodeError } from './errors.ts';

/** A number of a JSON text that no JavaScript number holds exactly (`0.12345678901234567890`), as it was written. */
export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The most digits of a PostgreSQL numeric (131,072 before the point, 16,383 after) with room: BigInt is quadratic beyond. */
const LENGTH_MAX = 150_000;

/** A number's text → the number that means the same: a safe integer, a bigint, a double, or the text itself. */
export function exactNumber(text: string, where: string): number | bigint | ExactNumber {
  if (text.length > LENGTH_MAX) {
    throw new DebeziumDecodeError('INVALID_JSON', where, `A number has more than ${LENGTH_MAX} characters.`);
  }
  const number = Number(text);
  if (!/[.eE]/.test(text)) return Number.isSafeInteger(number) ? number : BigInt(text);
  return Number.isFinite(number) && normalized(String(number)) === normalized(text) ? number : new ExactNumber(text);
}

/** The value as `±digits e exponent` without zeros at either end: equal texts are equal numbers. */
function normalized(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const [, sign, whole, fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = trimZeros(digits);
  if (significant === '') return '0';
  return `${sign}${significant}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length)}`;
}

/** A loop: `/0+$/` is quadratic on zeros that are not at the end. */
export function trimZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end -= 1;
  return digits.slice(0, end);
}
