import { abortedError, codeOf, FreshetError, kindOf } from '../../src/domain/errors.ts';
import type { Delivery } from '../../src/domain/change.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { backoffMs, RECOVERY_BACKOFF } from '../../src/runtime/backoff.ts';
import { Coverage } from './coverage.ts';
import { toDelivery, type Change } from './deliveries.ts';
import { findDifferences, type DifferencesDeps } from './differences.ts';
import { DirtyPaths } from './dirty-paths.ts';
import { FORGOTTEN, GONE, type Ledger, type Seen } from './ledger.ts';
import type { Settings } from './options.ts';
import type { PathRules } from './paths.ts';
import { readText, type Outside, type ReadResult } from './read-text.ts';
import type { Troubles } from './report.ts';
import { findRoot, type Root } from './root.ts';
import { startWatcher } from './watcher.ts';

const BATCH_FILES = 64;
const BATCH_BYTES = 8_000_000;
const BUSY_RETRY_MS = 1000;
const ROOT_RETRY_MS = 1000;
/** Without a watcher the scans are all there is. */
const UNWATCHED_RESCAN_MS = 2000;
/** Coarsest time stamps of a file system in use (FAT): a file written just before it was read may change again and look the same. */
const TIMESTAMP_GRAIN_MS = 2000;
const NOTHING: Outside = { size: 0, mtimeMs: 0, ctimeMs: 0 };

const hashOf = (result: Change['result']): string =>
  result.kind === 'text' ? result.hash : result.kind === 'missing' ? GONE : `!${result.error.code}`;
/** `modifiedAt` is a column, in milliseconds: a touched file is a changed row. */
const isSameRow = (seen: Seen, hash: string, outside: Outside): boolean =>
  seen.hash === hash && (hash === GONE || Math.trunc(seen.mtimeMs) === Math.trunc(outside.mtimeMs));

/** Turns what happens in a folder into deliveries. Events only say where to look: what is delivered is what is there. */
export class FolderReader {
  readonly coverage = new Coverage();
  readonly dirty = new DirtyPaths();
  #settings: Settings;
  #rules: PathRules;
  #ledger: Ledger;
  #clock: Clock;
  #troubles: Troubles;
  #root: Root | undefined;
  #connected = false;
  #watcher: AsyncDisposable | undefined;
  #watches = true;
  #scanRequested = true;
  #nextScan = 0;
  #delivered: number;
  #wake: () => void = () => undefined;
  #onComplete: () => void;
  #differencesDeps: DifferencesDeps;

  constructor(deps: {
    settings: Settings;
    rules: PathRules;
    ledger: Ledger;
    clock: Clock;
    troubles: Troubles;
    onComplete: () => void;
  }) {
    this.#settings = deps.settings;
    this.#rules = deps.rules;
    this.#ledger = deps.ledger;
    this.#clock = deps.clock;
    this.#troubles = deps.troubles;
    this.#onComplete = deps.onComplete;
    this.#differencesDeps = { ...deps, settleMs: deps.settings.settleMs };
    this.#delivered = deps.ledger.committed;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** A whole scan that begins after this call. */
  requestScan(): void {
    this.#scanRequested = true;
    this.#wake();
  }

  async *read(signal: AbortSignal): AsyncGenerator<Delivery> {
    try {
      this.#root = await this.#waitForRoot(signal);
      await this.#watch();
      yield* this.#resend();
      while (!signal.aborted) {
        if (this.#scanIsDue()) await this.#scan(signal);
        const changes = await this.#nextChanges();
        // The numbers are durable before anybody sees them: sent again after a crash, a change keeps its version.
        if (changes.length > 0) await this.#saved(signal);
        for (const change of changes) {
          if (signal.aborted) return;
          yield this.#hand(change);
        }
        for (const { path } of changes) this.coverage.settled(path);
        this.coverage.drained(this.#delivered);
        if (this.committed()) await this.#saved(signal);
        if (changes.length === 0) await this.#waitForWork(signal);
      }
    } finally {
      this.#connected = false;
      await this.#watcher?.[Symbol.asyncDispose]();
    }
  }

  /**
   * To be called after the ledger's mark moved. The first whole copy is in once a scan is covered.
   * @returns whether it is just now
   */
  committed(): boolean {
    if (!this.coverage.committed(this.#ledger.committed) || this.#ledger.complete) return false;
    this.#ledger.completed();
    this.#onComplete();
    return true;
  }

  /** However long the disk is full: what cannot be saved is not handed out, and a full disk ends no reading. */
  async #saved(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#ledger.save();
        return this.#troubles.ended('FILES_STATE_NOT_SAVED', 'The state of the folder is saved again.');
      } catch (error) {
        if (kindOf(error) !== 'transient') throw error;
        this.#troubles.began(
          'warn',
          'FILES_STATE_NOT_SAVED',
          `The state of the folder cannot be saved (${codeOf(error)}). Changes of files wait; what is indexed stays searchable.`,
        );
        await this.#clock.sleep(backoffMs(attempt, RECOVERY_BACKOFF, 0.5), signal);
      }
    }
  }

  #hand(change: Change): Delivery {
    this.#delivered = Math.max(this.#delivered, change.seen.n);
    return toDelivery(this.#settings.name, change, this.#settings);
  }

  /** What was handed out and never committed comes first, under its old numbers, as far as it is still there. */
  async *#resend(): AsyncGenerator<Delivery> {
    for (const [path, seen] of this.#ledger.uncommitted()) {
      const result = await this.#readText(path);
      if (result.kind === 'changing' || result.kind === 'busy') this.#mark(path);
      else if (!isSameRow(seen, hashOf(result), result.kind === 'missing' ? NOTHING : result.outside)) this.#mark(path);
      else yield this.#hand({ path, seen, result, snapshot: !this.#ledger.complete, noticedAt: this.#clock.now() });
    }
  }

  async #nextChanges(): Promise<readonly Change[]> {
    const changes: Change[] = [];
    let bytes = 0;
    for (const { path, since } of this.dirty.take(this.#clock.monotonic(), BATCH_FILES)) {
      if (bytes > BATCH_BYTES) {
        this.dirty.postpone(path, this.#clock.monotonic(), since, 0);
        continue;
      }
      const change = await this.#inspect(path, since);
      if (change === undefined) continue;
      changes.push(change);
      bytes += change.result.kind === 'text' ? change.result.text.length : 0;
    }
    return changes;
  }

  /** What changed about a path since it was last delivered: undefined when nothing did, or when it must be looked at again. */
  async #inspect(path: string, since: number): Promise<Change | undefined> {
    const result = await this.#readText(path);
    const postpone = (delayMs: number): undefined =>
      void this.dirty.postpone(path, this.#clock.monotonic(), since, delayMs);
    if (result.kind === 'changing') return postpone(this.#settings.settleMs);
    if (result.kind === 'busy') {
      this.#troubles.began(
        'warn',
        'FILES_BUSY',
        `A file could not be read (${result.code}); it is tried again each second.`,
      );
      return postpone(BUSY_RETRY_MS);
    }
    const known = this.#ledger.get(path);
    const hash = hashOf(result);
    if (result.kind === 'missing' && known !== undefined && known.hash !== GONE) {
      const waited = this.#clock.monotonic() - since;
      if (waited < this.#settings.deleteSettleMs) return postpone(this.#settings.deleteSettleMs - waited);
      if (!(await this.#isReallyGone(path))) return postpone(this.#connected ? 0 : ROOT_RETRY_MS);
    }
    const outside = result.kind === 'missing' ? NOTHING : this.#guardGrain(result.outside);
    if (
      result.kind === 'missing'
        ? known === undefined || known.hash === GONE
        : known !== undefined && isSameRow(known, hash, outside)
    ) {
      if (result.kind !== 'missing') this.#ledger.refresh(path, outside);
      this.coverage.settled(path);
      return undefined;
    }
    const snapshot = known === undefined ? !this.#ledger.complete : known.hash === FORGOTTEN;
    return { path, seen: this.#ledger.record(path, outside, hash), result, snapshot, noticedAt: this.#clock.now() };
  }

  /** Or is it the whole folder? Missed once more between two looks at the root, so that one taken away or put back meanwhile deletes nothing. */
  async #isReallyGone(path: string): Promise<boolean> {
    if (!(await this.#rootIsThere())) return false;
    return (await this.#readText(path)).kind === 'missing' && (await this.#rootIsThere());
  }

  /** Stamps this young may stand still over another write: stored so that the next scan reads the file once more. */
  #guardGrain(outside: Outside): Outside {
    const isYoung = Math.max(outside.mtimeMs, outside.ctimeMs) > this.#clock.now() - TIMESTAMP_GRAIN_MS;
    return isYoung ? { ...outside, ctimeMs: -1 } : outside;
  }

  #scanIsDue(): boolean {
    if (this.coverage.scanning) return false;
    return this.#scanRequested || this.#clock.monotonic() >= this.#nextScan;
  }

  async #scan(signal: AbortSignal): Promise<void> {
    this.#scanRequested = false;
    const began = this.#clock.monotonic();
    const tick = this.#ledger.hybrid.next();
    const at = this.#clock.now();
    const found = (await this.#rootIsThere())
      ? await findDifferences((this.#root as Root).path, this.#differencesDeps, signal)
      : undefined;
    const took = this.#clock.monotonic() - began;
    const interval = this.#watches ? this.#settings.rescanMs : Math.min(this.#settings.rescanMs, UNWATCHED_RESCAN_MS);
    // On a huge folder scans take at most a tenth of the time.
    this.#nextScan = this.#clock.monotonic() + (found === undefined ? ROOT_RETRY_MS : Math.max(interval, took * 9));
    if (found === undefined || signal.aborted) return;
    for (const [path, delayMs] of found) this.dirty.mark(path, this.#clock.monotonic(), delayMs);
    this.coverage.begin(tick, at, this.dirty.paths());
  }

  async #rootIsThere(): Promise<boolean> {
    const root = await findRoot(this.#settings.root);
    const known = this.#root as Root;
    const isThere = root !== undefined && root.device === known.device;
    const wasConnected = this.#connected;
    this.#connected = isThere;
    if (!isThere) {
      const what = root === undefined ? 'is gone' : 'lies on another device than before, as an unmounted drive does';
      this.#troubles.began(
        'error',
        'FILES_ROOT_LOST',
        `The folder of source "${this.#settings.name}" ${what}. Nothing is deleted from the index; it goes on when the folder is back.`,
      );
      return false;
    }
    if (!wasConnected || root.inode !== known.inode || root.path !== known.path) {
      this.#root = root;
      await this.#watch();
      this.#troubles.ended('FILES_ROOT_LOST', `The folder of source "${this.#settings.name}" is back.`);
    }
    return true;
  }

  async #waitForRoot(signal: AbortSignal): Promise<Root> {
    for (;;) {
      const root = await findRoot(this.#settings.root);
      if (root !== undefined) return root;
      const { name } = this.#settings;
      if (this.#ledger.size === 0) {
        throw new FreshetError(
          'FILES_ROOT_MISSING',
          'fatal',
          `The folder ${this.#settings.root} of source "${name}" does not exist or cannot be read. Correct its path, or create it.`,
        );
      }
      this.#troubles.began(
        'error',
        'FILES_ROOT_LOST',
        `The folder of source "${name}" is gone. Nothing is deleted from the index; it goes on when the folder is back.`,
      );
      await this.#clock.sleep(ROOT_RETRY_MS, signal);
    }
  }

  async #watch(): Promise<void> {
    await this.#watcher?.[Symbol.asyncDispose]();
    this.#watches = true;
    this.#watcher = await startWatcher((this.#root as Root).path, this.#rules, {
      onPath: (path) => this.#mark(path),
      onFolderGone: (folder) => {
        for (const [path, seen] of this.#ledger.entries()) {
          if (seen.hash !== GONE && (folder === '' || path.startsWith(`${folder}/`))) this.#mark(path);
        }
      },
      onError: (code) => {
        this.#watches = false;
        this.#troubles.began(
          'warn',
          'FILES_WATCH_FAILED',
          `The folder cannot be watched whole (${code}); it is compared every ${UNWATCHED_RESCAN_MS} ms instead. On Linux, raise fs.inotify.max_user_watches.`,
        );
      },
    });
    this.#connected = true;
    this.#scanRequested = true;
  }

  #mark(path: string): void {
    this.dirty.mark(path, this.#clock.monotonic(), this.#settings.settleMs);
    this.#wake();
  }

  #readText(path: string): Promise<ReadResult> {
    return readText((this.#root as Root).path, path, this.#settings.maxFileBytes);
  }

  async #waitForWork(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw abortedError(signal);
    const now = this.#clock.monotonic();
    const untilScan = this.coverage.scanning ? Infinity : this.#scanRequested ? 0 : this.#nextScan - now;
    const ms = Math.min(untilScan, this.dirty.nextIn(now) ?? Infinity, this.#settings.rescanMs);
    if (ms <= 0) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await this.#clock.sleep(ms, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (signal.aborted || !woken.signal.aborted) throw error;
    } finally {
      this.#wake = () => undefined;
    }
  }
}
