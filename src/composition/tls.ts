import { readFileSync } from 'node:fs';
import { isPemText, type TlsConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';

/** What a setting names: the text itself, or what stands in its file. */
export function pemOf(value: string, setting: string): string {
  if (isPemText(value)) return value;
  let text: string;
  try {
    text = readFileSync(value, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw unusable(`${value} cannot be read (${code ?? 'unknown error'}), which "${setting}" names.`, cause);
  }
  if (!isPemText(text)) throw unusable(`${value} holds no PEM text, and "${setting}" needs one.`);
  return text;
}

const unusable = (what: string, cause?: unknown): FreshetError =>
  new FreshetError('TLS_FILE_UNUSABLE', 'fatal', `${what} Check the path and its permissions.`, { cause });

export interface TlsTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly servername?: string;
}

/** @param setting where the section stands, for messages: `sources.app.ssl` */
export function tlsTexts(config: TlsConfig, setting: string): TlsTexts {
  const { ca, cert, key, ...rest } = config;
  return {
    ...rest,
    ...(ca === undefined ? {} : { ca: pemOf(ca, `${setting}.ca`) }),
    ...(cert === undefined ? {} : { cert: pemOf(cert, `${setting}.cert`) }),
    ...(key === undefined ? {} : { key: pemOf(key, `${setting}.key`) }),
  };
}
