/** The first id of a request says what the fake worker does with it; any other is its result. */
export const CRASH = 1;
export const REFUSE = 2;
export const HANG = 3;

export interface FakeWorkerData {
  /** Starts of any worker so far; the given number of them fail. */
  readonly starts: SharedArrayBuffer;
  readonly failFrom: number;
  readonly failTo: number;
}
