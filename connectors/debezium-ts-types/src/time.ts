import { trimZeros } from './exact-number.ts';

/** Sub-second digits of a unit: 0 for seconds, 3, 6 or 9. */
export type Precision = 3 | 6 | 9;

const SECONDS_OF_DAY = 86_400;

/**
 * Days since 1970-01-01 in the proleptic Gregorian calendar → `2026-02-28`. Years outside 0000–9999 are written as ISO 8601 and Date do:
 * sign and six digits or more, astronomical (`-000043` is 44 BC).
 */
export function dateText(days: number): string {
  // Years are counted from March 1st of year 0 in eras of 400 years (146,097 days), so that the leap day is the last of its year.
  const fromMarch = days + 719_468;
  const era = Math.floor(fromMarch / 146_097);
  const dayOfEra = fromMarch - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${two(month)}-${two(day)}`;
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0');
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`;
}

/** Units since the epoch → `2026-02-28T13:14:15.123456Z`: every digit the value has, no trailing zeros. */
export function timestampText(value: number | bigint, precision: Precision): string {
  const { seconds, fraction } = split(value, precision);
  const days = Math.floor(seconds / SECONDS_OF_DAY);
  return `${dateText(days)}T${clockText(seconds - days * SECONDS_OF_DAY, fraction)}Z`;
}

/** Units since midnight → `13:14:15.123456`. MySQL's TIME goes to ±838 hours: then with its sign and as many hours as it has. */
export function timeText(value: number | bigint, precision: Precision): string {
  const negative = value < 0;
  const { seconds, fraction } = split(negative ? -value : value, precision);
  return `${negative ? '-' : ''}${clockText(seconds, fraction)}`;
}

/** Units of elapsed time → ISO 8601 in seconds, `PT37091106S`: Debezium's numeric intervals count a month as 30.4375 days. */
export function durationText(value: number | bigint, precision: Precision): string {
  const negative = value < 0;
  const { seconds, fraction } = split(negative ? -value : value, precision);
  return `${negative ? '-' : ''}PT${seconds}${fraction}S`;
}

function clockText(seconds: number, fraction: string): string {
  const hours = Math.floor(seconds / 3600);
  return `${two(hours)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
}

/** Whole seconds (towards the past) and what is left as `.123456`, or '' if nothing is. Seconds of 64-bit units always fit a double. */
function split(value: number | bigint, precision: Precision): { readonly seconds: number; readonly fraction: string } {
  if (typeof value === 'number') {
    const unit = 10 ** precision;
    const seconds = Math.floor(value / unit);
    // Near 2^53 the quotient may round up across a second: the remainder, exact, says so.
    const rest = value - seconds * unit;
    if (rest >= 0) return { seconds, fraction: fractionText(rest, precision) };
  }
  const unit = 10n ** BigInt(precision);
  const units = BigInt(value);
  const rest = ((units % unit) + unit) % unit;
  return { seconds: Number((units - rest) / unit), fraction: fractionText(Number(rest), precision) };
}

function fractionText(rest: number, precision: Precision): string {
  return rest === 0 ? '' : `.${trimZeros(String(rest).padStart(precision, '0'))}`;
}

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
