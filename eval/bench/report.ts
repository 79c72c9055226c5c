import { cpus, loadavg } from 'node:os';
import type { Percentiles } from './statistics.ts';

/** One promise in numbers: what was measured against what it may be, both from the same run. */
export interface Bar {
  readonly name: string;
  readonly measured: number;
  readonly limit: number;
  readonly sense: 'at most' | 'at least';
  readonly unit: string;
}

export interface PartReport {
  readonly part: string;
  readonly title: string;
  readonly figures: Readonly<Record<string, number | string>>;
  readonly bars: readonly Bar[];
  /** What is and is not in the figures. */
  readonly notes: readonly string[];
}

export interface BenchReport {
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  /** Processes ready to run, averaged over a minute, before and after: what else the machine was doing. */
  readonly load: { readonly before: number; readonly after: number };
  readonly options: Readonly<Record<string, unknown>>;
  readonly parts: readonly (PartReport & { readonly seconds: number; readonly load: number })[];
}

export const held = ({ measured, limit, sense }: Bar): boolean =>
  sense === 'at most' ? measured <= limit : measured >= limit;

export const machine = (): BenchReport['machine'] => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.version,
});

export const load = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;

export function figuresOf(prefix: string, { count, p50, p95, p99, max }: Percentiles): Record<string, number> {
  return {
    [`${prefix} count`]: count,
    [`${prefix} p50 ms`]: p50,
    [`${prefix} p95 ms`]: p95,
    [`${prefix} p99 ms`]: p99,
    [`${prefix} max ms`]: max,
  };
}

export function printPart(report: PartReport): void {
  console.log(`\n${report.title}`);
  for (const [name, value] of Object.entries(report.figures)) console.log(`  ${name.padEnd(62)} ${show(value)}`);
  for (const note of report.notes) console.log(`  note: ${note}`);
  for (const bar of report.bars) console.log(`  ${barLine(bar)}`);
}

export function printSummary(report: BenchReport): void {
  const bars = report.parts.flatMap(({ part, bars: own }) => own.map((bar) => ({ part, bar })));
  console.log(
    `\nBars, all against a yardstick of the same run (load of the machine ${report.load.before} before, ${report.load.after} after):`,
  );
  for (const { part, bar } of bars) console.log(`  ${part.padEnd(11)} ${barLine(bar)}`);
}

function barLine(bar: Bar): string {
  const { name, measured, limit, sense, unit } = bar;
  return `${held(bar) ? 'held  ' : 'MISSED'}  ${name}: ${show(measured)}${unit} (${sense} ${show(limit)}${unit})`;
}

function show(value: number | string): string {
  if (typeof value === 'string') return value;
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) < 10 ? 3 : 1);
}
