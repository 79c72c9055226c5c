import { decodeBase64 } from './base64.ts';
import { DebeziumDecodeError } from './errors.ts';
import { ExactNumber } from './exact-number.ts';

/** Scales beyond those of any database are attacks on memory, not numbers. */
const SCALE_MAX = 20_000;

/** Big-endian two's complement, as java.math.BigInteger writes it. */
export function unscaled(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  const magnitude = BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`);
  return BigInt.asIntN(bytes.length * 8, magnitude);
}

/** `unscaled × 10^-scale` in plain digits with exactly `scale` of them after the point. */
export function decimalText(value: bigint, scale: number): string {
  if (scale <= 0) return value === 0n ? '0' : `${value}${'0'.repeat(-scale)}`;
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(scale + 1, '0');
  return `${negative ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/**
 * A Connect Decimal: base64 (JSON) or bytes (Avro) of the unscaled value; or, with the JSON converter's `decimal.format=NUMERIC`, a number,
 * which lost its trailing zeros and gets them back.
 */
export function decimal(raw: unknown, scale: number, where: string): string {
  if (raw instanceof Uint8Array) return decimalText(unscaled(raw), scale);
  if (typeof raw === 'string') return decimalText(unscaled(decodeBase64(raw, where)), scale);
  if (typeof raw === 'bigint') return rescale(raw.toString(), scale);
  if (typeof raw === 'number' && Number.isFinite(raw)) return rescale(plain(String(raw), where), scale);
  if (raw instanceof ExactNumber) return rescale(plain(raw.text, where), scale);
  throw new DebeziumDecodeError('INVALID_VALUE', where, 'A decimal is base64 text, bytes or a number.');
}

export function checkScale(scale: unknown, where: string): number {
  if (typeof scale === 'number' && Number.isInteger(scale) && Math.abs(scale) <= SCALE_MAX) return scale;
  throw new DebeziumDecodeError('INVALID_VALUE', where, `A scale is an integer of at most ±${SCALE_MAX}.`);
}

/** `1.5e3` → `1500`. */
function plain(text: string, where: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,6}))?$/.exec(text);
  if (match === null) throw new DebeziumDecodeError('INVALID_VALUE', where, 'A decimal is out of range.');
  const [, sign, whole, fraction = '', exponent = '0'] = match;
  const scale = checkScale(fraction.length - Number(exponent), where);
  return decimalText(BigInt(`${sign}${whole}${fraction}`), scale);
}

function rescale(text: string, scale: number): string {
  if (scale <= 0) return text;
  const point = text.indexOf('.');
  if (point < 0) return `${text}.${'0'.repeat(scale)}`;
  return text.padEnd(point + 1 + scale, '0');
}
