import { FreshetError } from '../domain/errors.ts';

/** One thing wrong with the configuration, with the way to mend it. Never holds a secret. */
export interface ConfigProblem {
  /** `sources.app.tables["public.articles"].text` */
  readonly path: string;
  /** What is wrong and how to mend it, to be read after the path. */
  readonly message: string;
  /** What was found: its type, and its value where that cannot be a secret. */
  readonly found?: string;
  /** The file, `environment variable X`, or `command line`. */
  readonly where?: string;
  /** 1-based. */
  readonly line?: number;
  readonly column?: number;
}

export function formatProblem(problem: ConfigProblem): string {
  const place = [problem.where, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const found = problem.found === undefined ? '' : ` Found ${problem.found}.`;
  return `${problem.path} ${problem.message}${found}${place === '' ? '' : ` (${place})`}`;
}

/** CONFIG_INVALID with every problem, so that a file is mended in one go. */
export class ConfigError extends FreshetError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], file: string | undefined) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    const list = problems.map((problem) => `  - ${formatProblem(problem)}`).join('\n');
    super(
      'CONFIG_INVALID',
      'fatal',
      `The configuration${file === undefined ? '' : ` ${file}`} has ${count}:\n${list}`,
      {
        details: { problems: problems.length, file },
      },
    );
    this.problems = problems;
  }
}
