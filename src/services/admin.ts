import { FreshetError, kindOf } from '../domain/errors.ts';
import type { DeadLetters, StoredDeadLetter } from '../ports/dead-letters.ts';
import type { LiveSource } from './live-source.ts';
import type { AdminService } from './services.ts';

const LETTERS_PER_PAGE = 200;

export function createAdminService(deps: {
  readonly sources: () => readonly LiveSource[];
  readonly deadLetters: DeadLetters;
  readonly verify: AdminService['verify'];
  readonly rebuild: AdminService['rebuild'];
}): AdminService {
  const { sources, deadLetters } = deps;
  let busy: string | undefined;

  /** verify and rebuild read or exchange the whole index: one at a time. */
  const alone = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    if (busy !== undefined) {
      throw new FreshetError('ADMIN_BUSY', 'transient', `A ${busy} is running. Wait until it is done, then ask again.`);
    }
    busy = what;
    try {
      return await work();
    } finally {
      busy = undefined;
    }
  };

  const retryOne = async (letter: StoredDeadLetter): Promise<boolean> => {
    const live = sources().find(({ source }) => source.name === letter.source);
    if (live === undefined) {
      throw new FreshetError(
        'SOURCE_UNKNOWN',
        'poison',
        `Dead letter ${letter.id} is of source "${letter.source}", which is not configured any more.`,
      );
    }
    return (await live.pipeline.retry(letter)) !== 'dead-lettered';
  };

  return {
    verify: (options, onProgress, signal) => alone('verify', () => deps.verify(options, onProgress, signal)),
    rebuild: (onProgress, signal) => alone('rebuild', () => deps.rebuild(onProgress, signal)),
    async replay({ source: name, from }) {
      const live = sources().find(({ source }) => source.name === name);
      if (live === undefined) {
        const names = sources().map(({ source }) => source.name);
        throw new FreshetError(
          'SOURCE_UNKNOWN',
          'poison',
          `There is no source "${name}". There is: ${names.join(', ')}.`,
        );
      }
      if (live.replay === undefined) {
        throw new FreshetError(
          'REPLAY_UNSUPPORTED',
          'poison',
          `Source "${name}" cannot be replayed; use "freshet rebuild".`,
        );
      }
      return { message: await live.replay(from) };
    },
    deadLetters: {
      list: (limit, after) => deadLetters.list({ limit, ...(after === undefined ? {} : { after }) }),
      get: (id) => deadLetters.get(id),
      async retry(id, signal) {
        let retried = 0;
        let failed = 0;
        for await (const letter of lettersOf(deadLetters, id)) {
          if (signal.aborted) break;
          try {
            if (await retryOne(letter)) retried += 1;
            else failed += 1;
          } catch (error) {
            // Asked for one letter, its error is the answer; among many it is a count, and the letter stays.
            if (id !== 'all' || kindOf(error) !== 'poison') throw error;
            failed += 1;
          }
        }
        return { retried, failed };
      },
    },
  };
}

async function* lettersOf(deadLetters: DeadLetters, id: string): AsyncGenerator<StoredDeadLetter> {
  if (id !== 'all') {
    const letter = await deadLetters.get(id);
    if (letter === undefined) {
      throw new FreshetError('DEAD_LETTER_UNKNOWN', 'poison', 'There is no such dead letter. See "freshet dlq list".');
    }
    yield letter;
    return;
  }
  // Collected before the first retry: a letter that fails again is put back and must not come round for ever.
  const letters: StoredDeadLetter[] = [];
  for (let after: string | undefined; ; ) {
    const page = await deadLetters.list({ limit: LETTERS_PER_PAGE, ...(after === undefined ? {} : { after }) });
    letters.push(...page);
    after = page.at(-1)?.id;
    if (page.length < LETTERS_PER_PAGE) break;
  }
  yield* letters;
}
