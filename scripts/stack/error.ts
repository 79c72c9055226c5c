/** The stack could not do what was asked. The message says what is missing and how to get it. */
export class StackError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StackError';
  }
}

export type Report = (line: string) => void;

/** Progress goes to standard error: what takes a minute must say so, also in a test run. */
export const toStderr: Report = (line) => void process.stderr.write(`stack: ${line}\n`);
