import type { Logger } from 'pino';
import type { Observer } from '../observability/events.ts';

/** What a person at the terminal is told while an instance opens and runs. */
export interface Ui {
  readonly logger: Logger;
  /** Progress of finding or fetching the model. */
  readonly modelProgress: (progress: {
    readonly level: 'info' | 'warn';
    readonly message: string;
    readonly receivedBytes?: number;
    readonly totalBytes?: number;
  }) => void;
  /** Progress of loading the index into memory. */
  readonly indexProgress: (progress: { readonly done: number; readonly total: number }) => void;
  /** Progress of the first copy, and whatever else is worth a line. */
  readonly observer: Observer;
  say(line: string): void;
}
