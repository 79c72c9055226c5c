/** What getting the model tells the person who waits for it. Several per second while bytes arrive. */
export interface ModelProgress {
  readonly level: 'info' | 'warn';
  /** One sentence for people. */
  readonly message: string;
  readonly receivedBytes?: number;
  readonly totalBytes?: number;
}

export type ReportProgress = (progress: ModelProgress) => void;

const INTERVAL_MS = 200;

/** Reports at most five times a second, and always the last byte. */
export function byteCounter(
  report: ReportProgress,
  message: string,
  totalBytes: number,
): (receivedBytes: number) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (receivedBytes) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < INTERVAL_MS && receivedBytes < totalBytes) return;
    lastMs = nowMs;
    report({ level: 'info', message, receivedBytes, totalBytes });
  };
}
