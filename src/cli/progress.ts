import type { Progress } from '../services/services.ts';
import type { Output } from './deps.ts';
import { formatCount, formatEta } from './format.ts';
import type { Colours } from './screen.ts';

const REDRAW_MS = 100;
const LINE_EVERY_MS = 5_000;
/** The rate is that of the last while: work speeds up and slows down. */
const RATE_WINDOW_MS = 10_000;

export interface ProgressMeter {
  readonly update: (progress: Progress) => void;
  /** Takes the line away. */
  finish(): void;
}

export interface ProgressOptions {
  readonly output: Output;
  readonly colours: Colours;
  readonly now: () => number;
  readonly silent: boolean;
}

/** Progress with rate and time left: one line that is redrawn on a terminal, a line now and then elsewhere. */
export function createProgress({ output, colours, now, silent }: ProgressOptions): ProgressMeter {
  if (silent) return { update: () => undefined, finish: () => undefined };
  const live = output.isTTY === true;
  let phase: string | undefined;
  let samples: { at: number; done: number }[] = [];
  let shownAt = Number.NEGATIVE_INFINITY;
  let drawn = false;

  const rateAt = (time: number, done: number): number | undefined => {
    samples.push({ at: time, done });
    while (samples.length > 2 && (samples[1]?.at ?? time) <= time - RATE_WINDOW_MS) samples.shift();
    const first = samples[0];
    if (first === undefined || time - first.at < 200 || done <= first.done) return undefined;
    return ((done - first.done) * 1000) / (time - first.at);
  };

  return {
    update: (progress) => {
      const time = now();
      const isNewPhase = progress.phase !== phase;
      if (isNewPhase) {
        phase = progress.phase;
        samples = [];
      }
      const rate = rateAt(time, progress.done);
      const isLast = progress.total !== undefined && progress.done >= progress.total;
      if (!isNewPhase && !isLast && time - shownAt < (live ? REDRAW_MS : LINE_EVERY_MS)) return;
      shownAt = time;
      const line = progressLine(progress, rate, colours);
      output.write(live ? `\r\u001b[2K${line}` : `${line}\n`);
      drawn = true;
    },
    finish: () => {
      if (live && drawn) output.write('\r\u001b[2K');
    },
  };
}

/** `comparing  1,204 / 5,000 (24 %)  812/s  5s left` */
export function progressLine(progress: Progress, rate: number | undefined, colours: Colours): string {
  const { phase, done, total } = progress;
  const share =
    total === undefined || total === 0 ? '' : ` / ${formatCount(total)} (${Math.floor((100 * done) / total)} %)`;
  const speed = rate === undefined ? '' : `  ${rate >= 10 ? formatCount(Math.round(rate)) : rate.toFixed(1)}/s`;
  const left =
    rate === undefined || total === undefined || done >= total ? '' : `  ${formatEta((total - done) / rate)} left`;
  return `${colours.cyan(phase)}  ${formatCount(done)}${share}${colours.dim(speed + left)}`;
}
