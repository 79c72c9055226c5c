/** Suffixes of a duration, in milliseconds. */
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Suffixes of a size, in bytes: SI prefixes are powers of 1000, IEC prefixes (Ki, Mi, Gi) powers of 1024. */
const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** What an editor may check of a value with a unit. */
export const DURATION_PATTERN = String.raw`^\d+(\.\d+)?\s*(ms|s|m|h|d)$`;
export const BYTES_PATTERN = String.raw`^\d+(\.\d+)?\s*([kKmMgG][iI]?)?[bB]$`;

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = match[2] ?? '';
  const factor = unit === '' ? 1 : units[unit.toLowerCase()];
  return factor === undefined ? undefined : Math.round(Number(match[1]) * factor);
}

/** `500ms`, `30s`, `5m`, `2h`, `7d`, or a bare number of milliseconds. Undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_UNITS);
}

/** `512kB`, `10MB`, `1GiB`, or a bare number of bytes. Undefined when it is none of these. */
export function parseBytes(text: string): number | undefined {
  return parse(text, BYTE_UNITS);
}

/** The shortest exact spelling: 90000 → `90s`, 60000 → `1m`. */
export function formatDuration(ms: number): string {
  const unit = ['d', 'h', 'm', 's'].find((name) => ms !== 0 && ms % (DURATION_UNITS[name] ?? 1) === 0) ?? 'ms';
  return `${ms / (DURATION_UNITS[unit] ?? 1)}${unit}`;
}

/** The shortest exact spelling: 20000000 → `20MB`, 512 → `512B`. */
export function formatBytes(bytes: number): string {
  const unit =
    ['GB', 'MB', 'kB'].find((name) => bytes !== 0 && bytes % (BYTE_UNITS[name.toLowerCase()] ?? 1) === 0) ?? 'B';
  return `${bytes / (BYTE_UNITS[unit.toLowerCase()] ?? 1)}${unit}`;
}
