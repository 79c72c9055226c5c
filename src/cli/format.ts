const count = new Intl.NumberFormat('en-US');

/** 1204 → `1,204` */
export const formatCount = (n: number): string => count.format(n);

export const plural = (n: number, one: string, many = `${one}s`): string => `${formatCount(n)} ${n === 1 ? one : many}`;

/** A length of time for people: `38 ms`, `3.2 s`, `12 min`, `3 h`, `5 days`. */
export function formatMs(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 999.5) return `${Math.round(positive)} ms`;
  const seconds = positive / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 59.5) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 47.5 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`;
}

/** Clocks of two machines may differ a little: the future is "just now". */
export function formatAge(instant: number, now: number): string {
  const age = now - instant;
  return age < 50 ? 'just now' : `${formatMs(age)} ago`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Hours, minutes and seconds that are left: `1h 04m`, `3m 09s`, `12s`. */
export function formatEta(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (whole >= 3600) return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  return whole >= 60 ? `${Math.floor(whole / 60)}m ${two(whole % 60)}s` : `${whole}s`;
}

// C0 and C1 controls, and the marks that reorder text: indexed text must not be able to drive the terminal.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/g;

/** Text of a document as one line that is safe to print. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, ' ').replace(/\s+/g, ' ').trim();
}

export function truncate(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(0, Math.max(1, length - 1));
  // Never half of a surrogate pair.
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/** Columns as wide as their widest cell, two spaces between; `plain` is what is measured, `shown` what is printed. */
export function table(rows: readonly (readonly { readonly plain: string; readonly shown: string }[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.plain.length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.shown + ' '.repeat(at === row.length - 1 ? 0 : (widths[at] ?? 0) - cell.plain.length))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
