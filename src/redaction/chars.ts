/** Character classes by UTF-16 code unit. NaN (past either end of a text) belongs to none. */

export const isDigit = (code: number): boolean => code >= 48 && code <= 57;

export const isUpper = (code: number): boolean => code >= 65 && code <= 90;

export const isAsciiLetter = (code: number): boolean => isUpper(code) || (code >= 97 && code <= 122);

export const isAlnum = (code: number): boolean => isDigit(code) || isAsciiLetter(code);

export const isHex = (code: number): boolean =>
  isDigit(code) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);

/** Letters, digits and `_`. Only ASCII: in text without spaces (CJK) a number follows its word directly. */
export const isWord = (code: number): boolean => isAlnum(code) || code === 95;

/** Base64url: the alphabet of JWTs. */
export const isBase64Url = (code: number): boolean => isWord(code) || code === 45;
