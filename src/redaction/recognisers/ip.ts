import { isIPv6 } from 'node:net';
import { isAsciiLetter, isDigit, isHex, isWord } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

const V4 = /(?:\d{1,3}\.){3}\d{1,3}/g;

/** Four numbers are a version, not an address, behind words and operators like these. */
const VERSION_CONTEXT =
  /(?:\b(?:version|versions|ver|release|released|build|firmware|driver|upgrade to|upgraded to|update to|rev|revision|section|chapter)\b[\s:=#"'`]{0,4}(?:is |to )?|\bv\.? ?|[<>=~^]=|[~^])$/i;

/** Addresses of every machine or of none, and network masks: they say nothing about anybody. */
const IMPERSONAL = /^(?:0\.0\.0\.0|127\.0\.0\.1|255\.255\.\d+\.\d+)$/;

function isOctet(text: string): boolean {
  return Number(text) <= 255 && (text.length === 1 || text[0] !== '0');
}

function findV4(text: string, report: (start: number, end: number) => void): void {
  for (const match of text.matchAll(V4)) {
    const start = match.index;
    const end = start + match[0].length;
    const before = text.charCodeAt(start - 1);
    // 1.2.3.4.5 and the like are no addresses on either side.
    if (isWord(before) || (before === 46 && isWord(text.charCodeAt(start - 2)))) continue;
    if (isWord(text.charCodeAt(end)) || (text[end] === '.' && isDigit(text.charCodeAt(end + 1)))) continue;
    if (!match[0].split('.').every(isOctet) || IMPERSONAL.test(match[0])) continue;
    // Product tokens of user agents: Chrome/120.0.0.0
    if (before === 47 && isAsciiLetter(text.charCodeAt(start - 2)) && match[0].endsWith('.0.0')) continue;
    if (VERSION_CONTEXT.test(text.slice(Math.max(0, start - 24), start))) continue;
    report(start, end);
  }
}

const RUN_MAX = 64;
const isV6Char = (code: number): boolean => isHex(code) || code === 58;

/** `abc::def` is a valid address and a path in several languages: without a digit only long forms count. */
function isPersonalV6(address: string): boolean {
  if (!isIPv6(address)) return false;
  if (address === '::1' || address === '::') return false;
  return /\d/.test(address) || address.split(':').length >= 5;
}

/** Text around an address may be hexadecimal too (`face:2001:db8::1`, a port behind it): one group less on either side is tried. */
function v6Within(text: string, start: number, end: number): readonly [number, number] | undefined {
  const afterFirst = text.indexOf(':', start) + 1;
  const beforeLast = text.lastIndexOf(':', end - 1);
  for (const [from, to] of [
    [start, end],
    [afterFirst, end],
    [start, beforeLast],
    [afterFirst, beforeLast],
  ] as const) {
    if (from >= to || isWord(text.charCodeAt(from - 1)) || isWord(text.charCodeAt(to))) continue;
    if (isPersonalV6(text.slice(from, to))) return [from, to];
  }
  return undefined;
}

function findV6(text: string, report: (start: number, end: number) => void): void {
  let done = 0;
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', done)) {
    let start = colon;
    while (start > done && start > colon - 5 && isHex(text.charCodeAt(start - 1))) start--;
    let end = colon + 1;
    while (isV6Char(text.charCodeAt(end))) end++;
    done = end;
    const second = text.indexOf(':', colon + 1);
    if (second < 0) return;
    if (second >= end || end - start > RUN_MAX) continue;
    // ::ffff:192.0.2.1
    const tail = /^(?:\.\d{1,3}){3}(?![\w.])/.exec(text.slice(end, end + 13));
    if (tail !== null) end += tail[0].length;
    const found = v6Within(text, start, end);
    if (found !== undefined) report(...found);
  }
}

export const ip: Recogniser = {
  label: 'IP',
  version: 1,
  find(text, report) {
    findV4(text, report);
    findV6(text, report);
  },
};
