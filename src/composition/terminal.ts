import picocolors from 'picocolors';
import type { Logger } from 'pino';
import type { FreshetEvent } from '../observability/events.ts';
import type { Ui } from './ui.ts';

export interface TerminalOptions {
  readonly logger: Logger;
  readonly stream: { write(text: string): unknown; readonly isTTY?: boolean | undefined };
  readonly colours: boolean;
  readonly now: () => number;
}

const LINE_EVERY_MS = 2_000;
const REDRAW_EVERY_MS = 100;

/** Progress on one line of a terminal, or a line every two seconds elsewhere; everything else as lines of their own. */
export function createTerminal({ logger, stream, colours, now }: TerminalOptions): Ui & { end(): void } {
  const paint = picocolors.createColors(colours);
  const live = stream.isTTY === true;
  let shown = false;
  let lastAt = 0;
  let lastMessage = '';

  const clear = (): void => {
    if (shown) stream.write('\r\u001b[2K');
    shown = false;
  };
  const say = (line: string): void => {
    clear();
    stream.write(`${line}\n`);
  };
  /** A message that changes often. The last one of its kind is always shown. */
  const progress = (message: string, last: boolean): void => {
    const at = now();
    if (!last && at - lastAt < (live ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return;
    lastAt = at;
    if (!live || last) return say(paint.dim(message));
    stream.write(`\r\u001b[2K${paint.dim(message)}`);
    shown = true;
  };

  const snapshots = createSnapshotMeter(now);
  return {
    logger,
    say,
    end: clear,
    modelProgress({ level, message, receivedBytes, totalBytes }) {
      if (level === 'warn') return say(paint.yellow(message));
      if (receivedBytes === undefined || totalBytes === undefined) {
        if (message !== lastMessage) say(paint.dim(message));
        lastMessage = message;
        return;
      }
      const share = Math.floor((100 * receivedBytes) / Math.max(1, totalBytes));
      progress(`${message} ${share} % of ${Math.round(totalBytes / 1e6)} MB`, receivedBytes >= totalBytes);
    },
    indexProgress({ done, total }) {
      if (total > 0) progress(`Loading the index: ${done} of ${total} documents`, false);
    },
    observer: {
      emit(event: FreshetEvent) {
        const line = snapshots(event);
        if (line !== undefined) progress(line.text, line.last);
      },
    },
  };
}

/** Documents indexed by the first copy, with their rate. */
function createSnapshotMeter(now: () => number): (event: FreshetEvent) => { text: string; last: boolean } | undefined {
  let startedAt: number | undefined;
  let documents = 0;
  let chunks = 0;
  return (event) => {
    if (event.type === 'document-visible' && event.snapshot) {
      startedAt ??= now();
      documents += 1;
      chunks += event.chunksTotal;
      const seconds = (now() - startedAt) / 1000;
      // A rate over less than a second says nothing.
      const rate = seconds < 1 ? '' : `, ${Math.round(chunks / seconds)} chunks/s`;
      return { text: `Indexing: ${documents} documents, ${chunks} chunks${rate}`, last: false };
    }
    if (event.type === 'snapshot-progress' && event.finished && startedAt !== undefined) {
      const seconds = ((now() - startedAt) / 1000).toFixed(1);
      return { text: `Indexed ${documents} documents, ${chunks} chunks in ${seconds} s`, last: true };
    }
    return undefined;
  };
}
