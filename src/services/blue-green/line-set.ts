import { codeOf, FreshetError, freshetErrorOf, kindOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CatalogueState, IndexCatalogue } from '../../ports/index-catalogue.ts';
import { currentToken, tokenReached } from '../tokens.ts';
import type { Line } from './line.ts';
import type { LinePlan, PlannedLine } from './plan.ts';

/** How old what a query goes by may be: another instance may have switched meanwhile. */
export const STATE_AGE_MS_MAX = 1_000;
/** How long the first queries after a switch wait for what the index before may have shown. */
const CATCH_UP_MS_MAX = 2_000;

export interface LineSetDeps<L extends Line> {
  readonly catalogue: Pick<IndexCatalogue, 'state' | 'update'>;
  /** By the configuration; pure. */
  readonly plan: (state: CatalogueState) => LinePlan;
  readonly open: (line: PlannedLine) => Promise<L>;
  /** Makes the index, empty, before it gets a role: whoever follows the roles finds it. */
  readonly make: (line: PlannedLine) => Promise<void>;
  readonly clock: Clock;
  /** What could not be done; told once, not at every attempt. */
  readonly onTrouble: (what: string, error: unknown) => void;
}

/**
 * The open lines of an instance and the roles they have. Roles are the catalogue's: every instance follows it, and each query goes by one
 * state of it, read at most a second ago.
 *
 * When another index becomes the live one, queries wait until it covers everything committed before that moment, so that no reader goes
 * back in time; normally that is one question to the source and a few milliseconds.
 */
export class LineSet<L extends Line> {
  readonly #deps: LineSetDeps<L>;
  readonly #lines = new Map<string, L>();
  readonly #unopened = new Map<string, FreshetError>();
  readonly #visitors = new Set<(line: Line) => void>();
  #state: CatalogueState;
  #notes: readonly string[] = [];
  #catchingUp: Promise<void> | undefined;
  #following: Promise<void> = Promise.resolve();
  #isClosed = false;
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects once the live line is not fed any more: an instance that goes on then shows what is no longer true. */
  readonly failed: Promise<never>;

  private constructor(deps: LineSetDeps<L>, state: CatalogueState) {
    this.#deps = deps;
    this.#state = state;
    this.failed = new Promise((_resolve, reject) => (this.#fail = reject));
    this.failed.catch(() => undefined);
  }

  /** Records what has to be recorded and opens every line. */
  static async open<L extends Line>(deps: LineSetDeps<L>, signal: AbortSignal): Promise<LineSet<L>> {
    for (;;) {
      const state = await deps.catalogue.state(signal);
      const plan = deps.plan(state);
      if (plan.record !== undefined) {
        const known = [state.live, state.candidate, state.previous];
        for (const line of plan.lines) if (!known.includes(line.name)) await deps.make(line);
        await recordUnlessChanged(deps.catalogue, state, plan.record, signal);
        continue;
      }
      const set = new LineSet(deps, state);
      set.#notes = plan.notes;
      try {
        for (const line of plan.lines) await set.#open(line, state);
      } catch (error) {
        await set.close();
        throw error;
      }
      return set;
    }
  }

  get state(): CatalogueState {
    return this.#state;
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  get all(): readonly L[] {
    return [...this.#lines.values()];
  }

  get live(): L {
    return this.#lines.get(this.#state.live ?? '') as L;
  }

  /** Undefined also while there is one that this instance does not feed. */
  get candidate(): L | undefined {
    return this.#lines.get(this.#state.candidate ?? '');
  }

  get previous(): L | undefined {
    return this.#lines.get(this.#state.previous ?? '');
  }

  get(name: string): L | undefined {
    return this.#lines.get(name);
  }

  /** Why an index that has a role is not fed here: it could not be opened, or a pipeline of it failed for good. */
  failureOf(name: string): FreshetError | undefined {
    return this.#unopened.get(name) ?? this.#lines.get(name)?.failure;
  }

  /** Calls with every line that is open, and with each that is opened later, until the returned function is called. */
  forEach(visit: (line: Line) => void): () => void {
    for (const line of this.#lines.values()) visit(line);
    this.#visitors.add(visit);
    return () => void this.#visitors.delete(visit);
  }

  isLive(name: string): boolean {
    return this.#state.live === name;
  }

  /** The live line, once it covers what the one before it may have shown. */
  async answering(): Promise<L> {
    if (this.#catchingUp !== undefined) await this.#catchingUp;
    return this.live;
  }

  /** Begins a candidate on top of the state that was decided by. @throws stale CATALOGUE_CHANGED */
  async begin(seen: CatalogueState, candidate: PlannedLine, signal: AbortSignal): Promise<void> {
    await this.#deps.make(candidate);
    await this.update(seen, { candidate: candidate.name, canaryShare: 0 }, signal);
  }

  /**
   * Records a change of roles, and follows it.
   * @param seen the state that the change was decided by: never that of now, which may have been followed since and mean other indexes
   * @throws stale CATALOGUE_CHANGED
   */
  async update(
    { revision, ...known }: CatalogueState,
    next: Partial<Omit<CatalogueState, 'revision'>>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#follow(await this.#deps.catalogue.update(revision, { ...known, ...next }, signal));
  }

  /** Follows what other instances recorded. */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.#follow(await this.#deps.catalogue.state(signal));
  }

  /** Follows the catalogue until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, onTrouble } = this.#deps;
    let trouble: string | undefined;
    while (!signal.aborted) {
      try {
        await clock.sleep(STATE_AGE_MS_MAX / 2, signal);
        await this.refresh(signal);
        trouble = undefined;
      } catch (error) {
        if (kindOf(error) === 'aborted' || codeOf(error) === trouble) continue;
        trouble = codeOf(error);
        onTrouble('the roles of the indexes could not be followed', error);
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#following;
    for (const line of [...this.#lines.values()].reverse()) await line.close();
    this.#lines.clear();
  }

  /** One beside the live one that cannot be opened is reported, and stops nobody: queries are answered without it. */
  async #open(planned: PlannedLine, { live }: CatalogueState): Promise<void> {
    const { name } = planned;
    let line: L;
    try {
      line = await this.#deps.open(planned);
    } catch (error) {
      if (name === live || kindOf(error) === 'aborted') throw error;
      const failure = freshetErrorOf(error);
      this.#unopened.set(name, failure);
      this.#deps.onTrouble(`index ${name} could not be opened and is not fed`, failure);
      return;
    }
    this.#unopened.delete(name);
    this.#lines.set(name, line);
    line.failed.catch((error: unknown) => {
      if (this.isLive(name)) this.#fail(error);
    });
    for (const visit of this.#visitors) visit(line);
  }

  /** One state after the other, whoever brought it. */
  #follow(state: CatalogueState): Promise<void> {
    const followed = this.#following.then(() => this.#take(state));
    this.#following = followed.catch(() => undefined);
    return followed;
  }

  async #take(state: CatalogueState): Promise<void> {
    if (this.#isClosed || state.revision <= this.#state.revision) return;
    const plan = this.#deps.plan(state);
    this.#notes = plan.notes;
    const named = [state.live, state.candidate, state.previous];
    // Opened before any role changes: whoever is live can answer.
    for (const line of plan.lines) {
      if (!this.#lines.has(line.name) && named.includes(line.name)) {
        await this.#open(line, state);
      }
    }
    const before = this.live;
    const after = this.#lines.get(state.live ?? '');
    if (after === undefined) throw liveUnknown(state.live);
    if (after !== before) this.#catchUp(before, after);
    this.#state = state;
    if (after.failure !== undefined) this.#fail(after.failure);
    for (const name of [...this.#unopened.keys()]) if (!named.includes(name)) this.#unopened.delete(name);
    for (const [name, line] of [...this.#lines]) {
      if (named.includes(name)) continue;
      this.#lines.delete(name);
      await line.close();
    }
  }

  /** In one step with the change of roles: a query sees both or neither. */
  #catchUp(before: L, after: L): void {
    const { clock } = this.#deps;
    const over = new AbortController();
    const covered = async (): Promise<void> => {
      // Read now, it covers all that the index before showed until now.
      const token = await currentToken(before.sources, over.signal);
      await tokenReached(token, after.sources, CATCH_UP_MS_MAX, over.signal);
    };
    const timeUp = clock.sleep(CATCH_UP_MS_MAX, over.signal);
    const settled = Promise.race([covered(), timeUp])
      // A source that cannot be asked commits nothing new either; what it committed last is the most that can be missed.
      .catch(() => undefined)
      .finally(() => {
        over.abort();
        if (this.#catchingUp === settled) this.#catchingUp = undefined;
      });
    timeUp.catch(() => undefined);
    this.#catchingUp = settled;
  }
}

/** Another instance that was faster is followed. */
async function recordUnlessChanged(
  catalogue: Pick<IndexCatalogue, 'update'>,
  state: CatalogueState,
  next: Omit<CatalogueState, 'revision'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await catalogue.update(state.revision, next, signal);
  } catch (error) {
    if (kindOf(error) !== 'stale') throw error;
  }
}

function liveUnknown(name: string | undefined): FreshetError {
  return new FreshetError(
    'INDEX_NOT_CONFIGURED',
    'transient',
    `Index ${name ?? '(none)'} was made the live one by another instance, and this one's configuration does not name its settings: it goes on ` +
      'answering from the one before. Give all instances the same configuration.',
    { details: { index: name } },
  );
}
