/**
 * What the redactor finds, misses and wrongly hides, and what it costs.
 *
 *   npx tsx eval/redaction.ts --data <folder> [--data <folder> …] [--clean <file.jsonl[.gz]> --field body] [--misses 5] [--json]
 *
 * A data folder holds `samples.jsonl`: `{text, spans: [{start, end, label}], negatives?: [{start, end, label}]}`, offsets in UTF-16 units.
 * - recall: gold spans of a type with every character hidden, by whatever type / gold spans of the type
 * - precision: matches of a type that overlap a gold span of it / those that overlap it or no gold span at all
 * - "other": matches that overlap only gold spans of another type (an IP inside a URL): neither right nor wrong
 * Both come with Wilson's 95 % interval. `--misses` prints examples: for generated data only.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { DEFAULT_RECOGNISERS } from '../src/redaction/recognisers/index.ts';
import { findPersonalData, redactString } from '../src/redaction/scan.ts';

interface GoldSpan {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}
interface Sample {
  readonly text: string;
  readonly spans: readonly GoldSpan[];
  readonly negatives?: readonly GoldSpan[];
}

const { values: args } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: [] },
    clean: { type: 'string' },
    field: { type: 'string', default: 'text' },
    misses: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});
const MEGABYTE = 1e6;
/** Gold sets call private key blocks keys. */
const SAME: Readonly<Record<string, string>> = { PRIVATE_KEY: 'API_KEY' };
const LABELS = [...new Set(DEFAULT_RECOGNISERS.map(({ label }) => SAME[label] ?? label))];

const lines = (file: string): unknown[] =>
  (file.endsWith('.gz') ? gunzipSync(readFileSync(file)).toString('utf8') : readFileSync(file, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

const bytes = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Wilson's score interval at 95 %. */
function ratio(
  hits: number,
  total: number,
): { value: number | null; low: number; high: number; hits: number; total: number } {
  if (total === 0) return { value: null, low: 0, high: 1, hits, total };
  const z = 1.96;
  const p = hits / total;
  const centre = (p + (z * z) / (2 * total)) / (1 + (z * z) / total);
  const half = (z * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total))) / (1 + (z * z) / total);
  return { value: p, low: centre - half, high: centre + half, hits, total };
}

const overlaps = (a: { start: number; end: number }, b: { start: number; end: number }): boolean =>
  a.start < b.end && b.start < a.end;

function covered(gold: GoldSpan, found: readonly { start: number; end: number }[]): boolean {
  let position = gold.start;
  for (const { start, end } of found) if (start <= position && end > position) position = end;
  return position >= gold.end;
}

function evaluate(folder: string) {
  const samples = lines(join(folder, 'samples.jsonl')) as Sample[];
  const counts = new Map(LABELS.map((label) => [label, { gold: 0, hidden: 0, right: 0, wrong: 0, other: 0 }]));
  const negatives = new Map<string, { total: number; hit: number }>();
  const misses: string[] = [];
  const falseHits: string[] = [];
  for (const sample of samples) {
    const found = findPersonalData(sample.text, DEFAULT_RECOGNISERS);
    for (const gold of sample.spans) {
      const count = counts.get(gold.label);
      if (count === undefined) continue;
      count.gold++;
      if (covered(gold, found)) count.hidden++;
      else
        misses.push(`${gold.label}: ${JSON.stringify(sample.text.slice(Math.max(0, gold.start - 20), gold.end + 10))}`);
    }
    for (const hit of found) {
      const count = counts.get(SAME[hit.label] ?? hit.label);
      if (count === undefined) continue;
      const golds = sample.spans.filter((gold) => overlaps(gold, hit));
      if (golds.some(({ label }) => label === (SAME[hit.label] ?? hit.label))) count.right++;
      else if (golds.length > 0) count.other++;
      else {
        count.wrong++;
        falseHits.push(`${hit.label}: ${JSON.stringify(sample.text.slice(Math.max(0, hit.start - 20), hit.end + 10))}`);
      }
    }
    for (const negative of sample.negatives ?? []) {
      const entry = negatives.get(negative.label) ?? { total: 0, hit: 0 };
      entry.total++;
      if (found.some((hit) => overlaps(hit, negative))) entry.hit++;
      negatives.set(negative.label, entry);
    }
  }
  const texts = samples.map(({ text }) => text);
  const megabytes = bytes(texts) / MEGABYTE;
  redactString(texts.slice(0, 500).join('\n'), DEFAULT_RECOGNISERS); // warm up
  const rows = cpuSeconds(() => texts.forEach((text) => redactString(text, DEFAULT_RECOGNISERS)));
  const whole = cpuSeconds(() => redactString(texts.join('\n'), DEFAULT_RECOGNISERS));
  return {
    data: basename(folder),
    samples: samples.length,
    megabytes,
    types: Object.fromEntries(
      [...counts].map(([label, { gold, hidden, right, wrong, other }]) => [
        label,
        { recall: ratio(hidden, gold), precision: ratio(right, right + wrong), wrong, other },
      ]),
    ),
    negatives: Object.fromEntries(negatives),
    falseHitsPerMegabyte: falseHits.length / megabytes,
    megabytesPerCpuSecond: { rows: megabytes / rows, whole: megabytes / whole },
    misses,
    falseHits,
  };
}

function evaluateClean(file: string, field: string) {
  const texts = (lines(file) as Record<string, unknown>[])
    .map((row) => row[field])
    .filter((text) => typeof text === 'string');
  const megabytes = bytes(texts) / MEGABYTE;
  const byLabel: Record<string, number> = {};
  const distinct = new Set<string>();
  const seconds = cpuSeconds(() => texts.forEach((text) => redactString(text, DEFAULT_RECOGNISERS)));
  for (const text of texts) {
    for (const hit of findPersonalData(text, DEFAULT_RECOGNISERS)) {
      byLabel[hit.label] = (byLabel[hit.label] ?? 0) + 1;
      distinct.add(`${hit.label}: ${JSON.stringify(text.slice(Math.max(0, hit.start - 20), hit.end + 10))}`);
    }
  }
  const perMegabyte = Object.fromEntries(Object.entries(byLabel).map(([label, hits]) => [label, hits / megabytes]));
  return {
    file: basename(file),
    megabytes,
    hits: byLabel,
    perMegabyte,
    megabytesPerCpuSecond: megabytes / seconds,
    examples: [...distinct],
  };
}

/** Inputs that make careless patterns super-linear: each is repeated to the length asked for. */
const HOSTILE: Readonly<Record<string, string>> = {
  letters: 'a',
  digits: '4',
  hex: 'f',
  'digits and spaces': '4 ',
  'digits and dashes': '4111-',
  'near cards': '4111 1111 1111 1112 ',
  cards: '4111 1111 1111 1111 ',
  at: '@',
  'a@': 'a@',
  'a@b.': 'a@b.',
  'a@a.aa': 'a@a.aa ',
  'quotes and at': '"@',
  'dots and at': 'a.@',
  'long local': `${'x.'.repeat(200)}@`,
  colons: ':',
  'hex and colons': 'ab:',
  'ipv6-like': '2001:db8::1:',
  'dotted numbers': '1.',
  addresses: '10.0.0.1 ',
  'jwt starts': 'eyJ',
  'jwt starts and dots': 'eyJ.',
  'jwt header': 'eyJhbGciOiJIUzI1NiJ9.',
  'iban-like': 'DE41 ',
  gb29: 'GB29NWBK60161331926819 ',
  'key prefixes': 'sk-',
  'token prefixes': 'ghp_xoxb-AKIA',
  'pem begins': '-----BEGIN PRIVATE KEY-----',
  'pem begins and body': '-----BEGIN PRIVATE KEY-----\nMIIE',
  'secret names': 'aws_secret_access_key = ',
  'social security': 'social security ',
  'ssn-like': '317-60-6020-',
  references: '&#64;',
  backslashes: '\\',
  percent: '%40',
  'zero width': '\u200b4',
  'user name': 'username: ',
  surrogates: '\ud800',
  cjk: '联系',
};

function evaluateHostile() {
  return Object.entries(HOSTILE).map(([name, unit]) => {
    const time = (size: number): number => {
      const text = unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
      return cpuSeconds(() => redactString(text, DEFAULT_RECOGNISERS));
    };
    time(65_536);
    const small = Math.min(time(65_536), time(65_536));
    const large = time(1_048_576);
    return {
      name,
      ms64k: small * 1000,
      ms1m: large * 1000,
      exponent: Math.log(Math.max(large, 1e-4) / Math.max(small, 1e-4)) / Math.log(16),
    };
  });
}

const percent = ({ value, low, high, hits, total }: ReturnType<typeof ratio>): string =>
  value === null ? '–' : `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}] ${hits}/${total}`;

const sets = args.data.map(evaluate);
const clean = args.clean === undefined ? undefined : evaluateClean(args.clean, args.field);
const hostile = evaluateHostile();

if (args.json) {
  console.log(
    JSON.stringify(
      { sets: sets.map(({ misses: _misses, falseHits: _falseHits, ...rest }) => rest), clean, hostile },
      null,
      2,
    ),
  );
} else {
  const examples = Number(args.misses);
  for (const set of sets) {
    console.log(`\n${set.data}: ${set.samples} texts, ${set.megabytes.toFixed(2)} MB`);
    for (const [label, type] of Object.entries(set.types)) {
      console.log(
        `  ${label.padEnd(12)} recall ${percent(type.recall).padEnd(36)} precision ${percent(type.precision).padEnd(36)} other ${type.other}`,
      );
    }
    for (const [label, { hit, total }] of Object.entries(set.negatives)) {
      if (hit > 0) console.log(`  hard negative ${label}: ${hit}/${total} hit (${((100 * hit) / total).toFixed(2)} %)`);
    }
    const { rows, whole } = set.megabytesPerCpuSecond;
    console.log(
      `  false hits per MB ${set.falseHitsPerMegabyte.toFixed(2)}; MB per CPU-second: row by row ${rows.toFixed(1)}, as one text ${whole.toFixed(1)}`,
    );
    for (const line of [
      ...set.misses.slice(0, examples).map((text) => `missed ${text}`),
      ...set.falseHits.slice(0, examples),
    ])
      console.log(`    ${line}`);
  }
  if (clean !== undefined) {
    console.log(
      `\nclean text ${clean.file}: ${clean.megabytes.toFixed(1)} MB, ${clean.megabytesPerCpuSecond.toFixed(1)} MB per CPU-second`,
    );
    for (const [label, hits] of Object.entries(clean.hits))
      console.log(`  ${label.padEnd(12)} ${hits} hits, ${clean.perMegabyte[label]?.toFixed(2)} per MB`);
    for (const line of clean.examples.slice(0, examples)) console.log(`    ${line}`);
  }
  console.log('\nworst cases (CPU ms at 64 Ki and 1 Mi units, growth exponent), slowest first');
  for (const row of [...hostile].sort((a, b) => b.ms1m - a.ms1m).slice(0, 12)) {
    console.log(
      `  ${row.name.padEnd(22)} ${row.ms64k.toFixed(1).padStart(8)} ${row.ms1m.toFixed(1).padStart(8)}   ${row.exponent.toFixed(2)}`,
    );
  }
}
