import { pino, type Level, type Logger } from 'pino';
import pretty from 'pino-pretty';
import { errorForLog } from './error-for-log.ts';

export interface LoggerOptions {
  readonly level: Level | 'silent';
  /** `pretty` for people on a terminal, `json` for everything else. */
  readonly format: 'pretty' | 'json';
  readonly colors?: boolean;
  /** Where lines go; standard error by default, as standard output belongs to what a command answers. */
  readonly destination?: NodeJS.WritableStream;
}

const STDERR = 2;

/**
 * Fields that could hold text or secrets are cut out wherever they turn up: nobody should log them, and if somebody does, nothing gets out
 * (invariant 6). Errors lose the messages that libraries wrote.
 */
const NEVER_LOGGED = ['text', 'body', 'query', 'title', 'row', 'key', 'password', 'authorization', 'secret'];

export function createLogger(options: LoggerOptions): Logger {
  const { level, format, destination, colors = false } = options;
  const stream =
    format === 'json'
      ? (destination ?? pino.destination({ dest: STDERR, sync: true }))
      : pretty({
          destination: destination ?? STDERR,
          sync: true,
          colorize: colors,
          ignore: 'pid,hostname',
          translateTime: 'HH:MM:ss.l',
        });
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: errorForLog, error: errorForLog },
      redact: { paths: NEVER_LOGGED.flatMap((name) => [name, `*.${name}`]), censor: '[not logged]' },
    },
    stream,
  );
}
