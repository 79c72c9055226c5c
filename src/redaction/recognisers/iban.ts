import { isAlnum, isDigit } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

/** Total lengths by country, from the SWIFT IBAN registry (ISO 13616-1). */
const LENGTHS: ReadonlyMap<string, number> = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 ' +
    'FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 ' +
    'MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ' +
    'SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** ISO 7064 MOD 97-10 over the number with its first four characters moved to the end, letters as 10 … 35. */
function passesMod97(iban: string): boolean {
  let rest = 0;
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Where `count` letters and digits end, single spaces or dashes between them passed over; -1 when something else comes first. */
function endOf(text: string, start: number, count: number): number {
  let index = start;
  for (let taken = 0; taken < count; index++) {
    const code = text.charCodeAt(index);
    if (isAlnum(code)) taken++;
    else if ((code !== 32 && code !== 45) || !isAlnum(text.charCodeAt(index + 1))) return -1;
  }
  return index;
}

const CANDIDATE = /[A-Z]{2} ?\d{2}/gi;

export const iban: Recogniser = {
  label: 'IBAN',
  version: 1,
  find(text, report) {
    for (const { index } of text.matchAll(CANDIDATE)) {
      if (isAlnum(text.charCodeAt(index - 1))) continue;
      const length = LENGTHS.get(text.slice(index, index + 2).toUpperCase());
      if (length === undefined) continue;
      const end = endOf(text, index, length);
      if (end < 0 || isAlnum(text.charCodeAt(end))) continue;
      const number = text.slice(index, end).replace(/[ -]/g, '');
      if (isDigit(number.charCodeAt(2)) && passesMod97(number)) report(index, end);
    }
  },
};
