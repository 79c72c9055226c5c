import type { AdminService } from '../services/services.ts';

/** For work that does not hear its signal. */
const STOP_MS = 5_000;

/**
 * The long commands of an instance that nobody serves: each ends with the error of a pipeline that fails for good meanwhile, for what it
 * waits for would never come. The work is stopped first, so that nothing uses what is closed next.
 * @param failed rejects when a pipeline fails for good, and never resolves
 */
export function whileAlive(admin: AdminService, failed: Promise<never>): AdminService {
  const orFailed = async <T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> => {
    const stop = new AbortController();
    const working = work(AbortSignal.any([signal, stop.signal]));
    try {
      return await Promise.race([working, failed]);
    } catch (error) {
      stop.abort();
      await settledWithin(working, STOP_MS);
      throw error;
    }
  };
  return {
    ...admin,
    verify: (options, onProgress, signal) => orFailed((live) => admin.verify(options, onProgress, live), signal),
    rebuild: (onProgress, signal) => orFailed((live) => admin.rebuild(onProgress, live), signal),
    deadLetters: {
      ...admin.deadLetters,
      retry: (id, signal, index) => orFailed((live) => admin.deadLetters.retry(id, live, index), signal),
    },
  };
}

async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([Promise.allSettled([work]), late]);
  clearTimeout(timer);
}
