/** Invented personal data and keys, valid where validity can be checked, unique so that each can be looked for byte by byte. */

const pad = (n: number, width: number): string => String(n).padStart(width, '0');
const repeated = (seed: string, length: number): string =>
  seed.repeat(Math.ceil(length / seed.length)).slice(0, length);

/** Appends the check digit of ISO/IEC 7812-1 (Luhn). */
function withLuhnDigit(digits: string): string {
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const doubled = Number(digit) * (at % 2 === 0 ? 2 : 1);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return digits + String((10 - (sum % 10)) % 10);
}

/** With the check digits of ISO 13616 (mod 97). */
function iban(country: string, account: string): string {
  const numeric = [...`${account}${country}00`].map((char) => parseInt(char, 36)).join('');
  return country + pad(98 - Number(BigInt(numeric) % 97n), 2) + account;
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A set of eight kinds, different for every number. */
export function secrets(n: number): readonly string[] {
  return [
    `canary.person${n}@example-mail${n}.org`,
    withLuhnDigit(`4539${pad(71_000_000 + n * 7919, 11)}`),
    iban('DE', `50010517${pad(5_400_000_000 + n * 104_729, 10)}`),
    `${pad(523 + n, 3)}-${pad(41 + n, 2)}-${pad(6700 + n * 13, 4)}`,
    `93.184.${100 + n}.${200 - n}`,
    `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url({ sub: `canary-${n}`, iat: 1_700_000_000 + n })}.${repeated(`Sig${n}xYz`, 43)}`,
    `ghp_${repeated(`C4nary${n}TokenQ`, 36)}`,
    `AKIA${repeated(`CANARY${n}Z7`, 16)}`,
  ];
}
