import { FreshetError } from '../../src/domain/errors.ts';

export const pushToken = (source: string, sequence: number): string => `${source}:${sequence}`;

/** The sequence that a token names. @throws poison BAD_TOKEN */
export function readPushToken(source: string, token: string): number {
  const [prefix, digits, ...rest] = token.split(':');
  const sequence = Number(digits);
  if (prefix === source && rest.length === 0 && /^\d{1,16}$/.test(digits ?? '') && Number.isSafeInteger(sequence)) {
    return sequence;
  }
  throw new FreshetError(
    'BAD_TOKEN',
    'poison',
    `This is no token of the source "${source}". Pass the token of a receipt or of an answer back unchanged.`,
    { details: { source } },
  );
}

/** The position kept beside an index: everything up to it is in there. */
export const storedSequence = (state: unknown): number =>
  (state as { readonly sequence?: number } | undefined | null)?.sequence ?? 0;
