import { Option } from 'commander';
import { toSearchAnswer } from '../../api/search-mapping.ts';
import { FreshetError } from '../../domain/errors.ts';
import { DEFAULT_TENANT, tenantId } from '../../domain/ids.ts';
import type { MetadataCondition, SearchHit } from '../../domain/search.ts';
import type { SearchAnswer, SearchRequest } from '../../services/services.ts';
import type { Context, GlobalOptions } from '../context.ts';
import { collect, durationMs, examples, handle, wholeNumber, type Register } from '../define.ts';
import { EXIT } from '../exit-codes.ts';
import { formatAge, formatMs, oneLine, plural } from '../format.ts';
import type { Screen } from '../screen.ts';
import { snippet } from '../snippet.ts';

/** The HTTP API's default. */
const RECENCY_WEIGHT = 0.01;

interface SearchOptions extends GlobalOptions {
  readonly limit: number;
  readonly tenant?: string;
  readonly principal?: readonly string[];
  readonly table?: readonly string[];
  readonly where?: readonly string[];
  readonly mode: SearchRequest['mode'];
  readonly perDocument?: number;
  readonly recency?: number;
  readonly token?: string;
  readonly wait: number;
}

/** `lang=en`, `pages>=10`: numbers and booleans are taken for what they look like, quotes make a text of them. */
export function parseCondition(text: string): MetadataCondition {
  const match = /^([^=!<>]+?)\s*(=|!=|>=|<=|>|<)\s*(.*)$/s.exec(text);
  if (match === null) {
    throw new FreshetError(
      'USAGE_WHERE',
      'fatal',
      `--where ${JSON.stringify(text)} is no condition. Write field=value, field!=value or field>=value.`,
    );
  }
  const [, key = '', operator = '=', raw = ''] = match;
  const quoted = /^"(.*)"$/s.exec(raw);
  const value =
    quoted !== null
      ? (quoted[1] ?? '')
      : raw === 'true' || raw === 'false'
        ? raw === 'true'
        : /^-?\d+(\.\d+)?$/.test(raw)
          ? Number(raw)
          : raw;
  const ops = { '=': 'eq', '!=': 'ne', '>=': 'gte', '<=': 'lte', '>': 'gt', '<': 'lt' } as const;
  const op = ops[operator as keyof typeof ops];
  if (op === 'eq' || op === 'ne') return { key, op, value };
  return { key, op, value: typeof value === 'boolean' ? raw : value };
}

function toRequest(query: string, options: SearchOptions): SearchRequest {
  const conditions = (options.where ?? []).map(parseCondition);
  const [only] = conditions;
  return {
    query,
    limit: options.limit,
    tenant: options.tenant === undefined ? DEFAULT_TENANT : tenantId(options.tenant),
    mode: options.mode,
    ...(options.principal === undefined ? {} : { principals: options.principal }),
    ...(options.table === undefined ? {} : { tables: options.table }),
    ...(only === undefined ? {} : { filter: conditions.length === 1 ? only : { and: conditions } }),
    ...(options.perDocument === undefined ? {} : { perDocument: options.perDocument }),
    ...(options.recency === undefined ? {} : { recency: { halfLifeMs: options.recency, weight: RECENCY_WEIGHT } }),
    ...(options.token === undefined
      ? {}
      : { consistency: { mode: 'at_least' as const, token: options.token, waitMs: options.wait } }),
  };
}

async function search(context: Context<SearchOptions>, words: readonly string[]): Promise<number> {
  const { deps, options, screen } = context;
  const query = words.join(' ').trim();
  if (query === '')
    throw new FreshetError(
      'USAGE_QUERY',
      'fatal',
      'The query is empty. Write what to look for, e.g. freshet search "returns".',
    );
  return context.withServices(async (services) => {
    const began = deps.now();
    const answer = await services.search.search(toRequest(query, options), deps.signal);
    const tookMs = deps.now() - began;
    if (context.json) screen.printJson(toSearchAnswer(answer, undefined));
    else printAnswer(answer, tookMs, deps.now(), screen);
    return EXIT.ok;
  });
}

function printAnswer(answer: SearchAnswer, tookMs: number, now: number, screen: Screen): void {
  const { out, err } = screen;
  answer.hits.forEach((hit, at) => {
    screen.print(`${hitText(hit, at + 1, answer.query, now, screen)}\n`);
  });
  const { asOf, tokenReached } = answer.freshness;
  const fresh = asOf === undefined ? 'freshness not known yet' : `everything committed up to ${formatAge(asOf, now)}`;
  screen.print(out.dim(`${plural(answer.hits.length, 'result')} in ${formatMs(tookMs)} · ${fresh}`));
  if (answer.degraded !== undefined)
    screen.note(`${err.yellow('warning')} ${answer.degraded.message} (${answer.degraded.code})`);
  if (!tokenReached)
    screen.note(
      `${err.yellow('warning')} The state of --token was not reached in time: that write may be missing here.`,
    );
}

function hitText(hit: SearchHit, rank: number, query: string, now: number, { out, columns }: Screen): string {
  const indent = '    ';
  const title = oneLine(hit.title) || oneLine(hit.uri) || hit.document;
  const uri = hit.uri === '' ? '' : `  ${out.cyan(oneLine(hit.uri))}`;
  const heading = hit.headings.length === 0 ? [] : [out.dim(indent + hit.headings.map(oneLine).join(' › '))];
  const { text, matches } = snippet(hit.text, query, 2 * (columns - indent.length));
  let shown = '';
  let at = 0;
  for (const { start, end } of matches) {
    shown += text.slice(at, start) + out.bold(text.slice(start, end));
    at = end;
  }
  shown += text.slice(at);
  return [
    `${out.dim(String(rank).padStart(2))}  ${out.bold(out.green(title))}${uri}  ${out.dim(formatAge(hit.committedAt, now))}`,
    ...heading,
    indent + shown,
  ].join('\n');
}

export const registerSearch: Register = (program, deps, outcome) => {
  const command = program
    .command('search')
    .description('search the index')
    .argument('<query...>', 'what to look for')
    .option('-n, --limit <count>', 'how many results', wholeNumber(1, 100), 5)
    .option('-t, --tenant <tenant>', 'whose documents; by default those of the tenant "default"')
    .option('--principal <name>', 'as seen by this principal; may be repeated', collect)
    .option('--table <name>', 'only this table, e.g. app.public.articles; may be repeated', collect)
    .option('-w, --where <condition>', 'metadata condition such as lang=en or pages>=10; may be repeated', collect)
    .addOption(new Option('--mode <mode>', 'how to search').choices(['hybrid', 'dense', 'lexical']).default('hybrid'))
    .option('--per-document <count>', 'at most this many results of one document', wholeNumber(1, 100))
    .option('--recency <half-life>', 'prefer recent documents: the bonus halves in this time, e.g. 7d', durationMs)
    .option('--token <token>', 'wait for this write: a token of the API, or a PostgreSQL LSN')
    .addOption(
      new Option('--wait <duration>', 'how long to wait for --token').argParser(durationMs).default(2_000, '2s'),
    );
  examples(
    command,
    ['freshet search "how do I return an item"', 'the five best results'],
    ['freshet search returns -n 10 -w lang=en', 'ten, in English only'],
    ['freshet search returns --principal support', 'only what "support" may see'],
    ['freshet search returns --token 0/16B3748', 'with that transaction in it'],
    ['freshet search returns --json | jq .data[0].content', 'as POST /v1/search answers'],
  );
  handle<SearchOptions, [readonly string[]]>(command, deps, outcome, search);
};
