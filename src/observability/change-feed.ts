import type { DocumentId, TenantId } from '../domain/ids.ts';
import type { Version } from '../domain/version.ts';
import type { DocumentState, LiveEvent, RecentChange } from '../services/services.ts';
import type { FreshetEvent, Observer, StageTimes } from './events.ts';
import { RecentSamples, type Percentiles } from './percentiles.ts';

/** The last change of a document as this process saw it. Gone after a restart, or when many others changed since. */
export interface TrackedChange {
  readonly state: DocumentState;
  readonly version: Version;
  readonly times: StageTimes;
  readonly failure?: { readonly stage: string; readonly code: string };
}

export interface ChangeFeed extends Observer {
  /** Newest first. */
  recent(tenant: TenantId, limit: number): readonly RecentChange[];
  /** Live events of one tenant, in the order they happened, until the returned function is called. */
  subscribe(tenant: TenantId, listener: (event: LiveEvent) => void): () => void;
  /** Undefined when unknown here, or of another tenant. */
  lastChange(document: DocumentId, tenant: TenantId): TrackedChange | undefined;
  /** Milliseconds, over the recent streamed changes. */
  commitToVisible(): Percentiles;
  /** Resolves once everything emitted so far was told. */
  idle(): Promise<void>;
}

export interface ChangeFeedOptions {
  /** Wall clock, milliseconds. */
  readonly now: () => number;
  /** Title and uri as they are in the index, redacted: events do not carry text. */
  readonly describe: (
    document: DocumentId,
    tenant: TenantId,
  ) => Promise<{ readonly title: string; readonly uri: string } | undefined>;
  readonly recentPerTenant?: number;
  readonly tenantsMax?: number;
  readonly documentsMax?: number;
  readonly samplesMax?: number;
  readonly sampleAgeMsMax?: number;
}

/** Changes waiting to be described; beyond it (a flood) they are told without a title. */
const DESCRIBING_MAX = 1000;

type FinishedEvent = FreshetEvent & { readonly type: 'document-visible' | 'document-deleted' };
type StageEvent = FreshetEvent & { readonly type: 'document-received' | 'document-redacted' | 'document-embedded' };

interface Name {
  readonly title: string;
  readonly uri: string;
}

interface Tracked extends TrackedChange {
  readonly tenant: TenantId | undefined;
  /** What it was last called: once it is deleted the index no longer knows. */
  readonly name: Name | undefined;
}

const NO_NAME: Name = { title: '', uri: '' };

const STATE_OF: Record<StageEvent['type'], DocumentState> = {
  'document-received': 'received',
  'document-redacted': 'redacted',
  'document-embedded': 'embedded',
};

/**
 * What people watch: the newest edits, the stage of each document's last change, commit → visible. All in memory and bounded. Rows of a
 * snapshot are no edits and leave no trace here.
 */
export function createChangeFeed(options: ChangeFeedOptions): ChangeFeed {
  return new MemoryChangeFeed(options);
}

class MemoryChangeFeed implements ChangeFeed {
  readonly #options: Required<ChangeFeedOptions>;
  readonly #recent = new Map<TenantId, RecentChange[]>();
  /** In the order of their last event: the first is the first to go. */
  readonly #tracked = new Map<DocumentId, Tracked>();
  readonly #listeners = new Map<TenantId, Set<(event: LiveEvent) => void>>();
  readonly #samples: RecentSamples;
  /** Telling happens one after the other, so that a slow description cannot change the order. */
  #telling: Promise<void> = Promise.resolve();
  #describing = 0;

  constructor(options: ChangeFeedOptions) {
    this.#options = {
      recentPerTenant: 200,
      tenantsMax: 1000,
      documentsMax: 10_000,
      samplesMax: 1000,
      sampleAgeMsMax: 3_600_000,
      ...options,
    };
    this.#samples = new RecentSamples(this.#options.samplesMax, this.#options.sampleAgeMsMax);
  }

  emit(event: FreshetEvent): void {
    switch (event.type) {
      case 'document-received':
      case 'document-redacted':
      case 'document-embedded':
        if (!event.snapshot) this.#stage(event);
        return;
      case 'document-visible':
      case 'document-deleted':
        if (!event.snapshot) this.#finished(event);
        return;
      case 'dead-lettered':
        if (event.document !== undefined) this.#failed(event.document, event.stage, event.code);
        return;
      default:
        return;
    }
  }

  recent(tenant: TenantId, limit: number): readonly RecentChange[] {
    return this.#recent.get(tenant)?.slice(-limit).reverse() ?? [];
  }

  subscribe(tenant: TenantId, listener: (event: LiveEvent) => void): () => void {
    const listeners = this.#listeners.get(tenant) ?? new Set();
    this.#listeners.set(tenant, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(tenant) === listeners) this.#listeners.delete(tenant);
    };
  }

  lastChange(document: DocumentId, tenant: TenantId): TrackedChange | undefined {
    const tracked = this.#tracked.get(document);
    if (tracked === undefined || tracked.tenant !== tenant) return undefined;
    const { tenant: _tenant, name: _name, ...change } = tracked;
    return change;
  }

  commitToVisible(): Percentiles {
    return this.#samples.summary(this.#options.now());
  }

  idle(): Promise<void> {
    return this.#telling;
  }

  #stage(event: StageEvent): void {
    const state = STATE_OF[event.type];
    const { document, tenant } = event;
    if (!this.#track(event, state)) return;
    if (state === 'received' && tenant !== undefined && this.#tracked.get(document)?.name === undefined) {
      // Should this turn out to be its deletion, nobody could say afterwards what was deleted.
      const description = this.#describe(document, tenant);
      this.#telling = this.#telling.then(async () => {
        const described = await description;
        if (described !== undefined) this.#rename(document, described);
      });
    }
    if (event.tenant !== undefined) {
      this.#tell(event.tenant, { type: 'document.stage', document: event.document, state, times: event.times });
    }
  }

  #finished(event: FinishedEvent): void {
    const { document, table, tenant, times, chunksTotal, chunksEmbedded } = event;
    const kind = event.type === 'document-visible' ? 'upserted' : 'deleted';
    if (!this.#track(event, kind === 'upserted' ? 'visible' : 'deleted')) return;
    if (times.visible !== undefined)
      this.#samples.add(Math.max(0, times.visible - times.committed), this.#options.now());

    const description = this.#describe(document, tenant);
    this.#telling = this.#telling.then(async () => {
      const described = await description;
      if (described !== undefined) this.#rename(document, described);
      const name = described ?? this.#tracked.get(document)?.name ?? NO_NAME;
      const change: RecentChange = { document, table, ...name, kind, times, chunksTotal, chunksEmbedded };
      this.#remember(tenant, change);
      this.#publish(tenant, { type: `document.${kind}`, ...change });
    });
  }

  /** An event of an older change than the last one seen is late news, and no news. */
  #track(event: StageEvent | FinishedEvent, state: DocumentState): boolean {
    const { document, tenant, version, times } = event;
    const before = this.#tracked.get(document);
    if (before !== undefined && before.version > version) return false;
    this.#put(document, { state, version, times, tenant: tenant ?? before?.tenant, name: before?.name });
    return true;
  }

  /** A description resolves when it can: events that came meanwhile stay as they are. */
  #rename(document: DocumentId, name: Name): void {
    const tracked = this.#tracked.get(document);
    if (tracked !== undefined) this.#tracked.set(document, { ...tracked, name });
  }

  #failed(document: DocumentId, stage: string, code: string): void {
    const before = this.#tracked.get(document);
    if (before === undefined) return; // Whose it was is not known here, so nobody may be told.
    this.#put(document, { ...before, state: 'failed', failure: { stage, code } });
    if (before.tenant !== undefined) this.#tell(before.tenant, { type: 'document.failed', document, stage, code });
  }

  #put(document: DocumentId, tracked: Tracked): void {
    this.#tracked.delete(document);
    this.#tracked.set(document, tracked);
    dropOldest(this.#tracked, this.#options.documentsMax);
  }

  /** Undefined when the index cannot say: it is away, has never seen the document, or knows only that it was deleted. */
  async #describe(document: DocumentId, tenant: TenantId): Promise<Name | undefined> {
    if (this.#describing >= DESCRIBING_MAX) return undefined;
    this.#describing += 1;
    try {
      const described = await this.#options.describe(document, tenant);
      return described === undefined || (described.title === '' && described.uri === '') ? undefined : described;
    } catch {
      return undefined; // A change without its title is still worth telling; the index says elsewhere that it is away.
    } finally {
      this.#describing -= 1;
    }
  }

  #remember(tenant: TenantId, change: RecentChange): void {
    const changes = this.#recent.get(tenant) ?? [];
    changes.push(change);
    if (changes.length > this.#options.recentPerTenant) changes.shift();
    this.#recent.delete(tenant);
    this.#recent.set(tenant, changes);
    dropOldest(this.#recent, this.#options.tenantsMax);
  }

  #tell(tenant: TenantId, event: LiveEvent): void {
    if (!this.#listeners.has(tenant)) return;
    this.#telling = this.#telling.then(() => this.#publish(tenant, event));
  }

  /** Listeners must not throw; one that does must not take the others, or the pipeline, with it. */
  #publish(tenant: TenantId, event: LiveEvent): void {
    const listeners = this.#listeners.get(tenant);
    for (const listener of [...(listeners ?? [])]) {
      try {
        listener(event);
      } catch {
        listeners?.delete(listener);
      }
    }
  }
}

function dropOldest<Key>(map: Map<Key, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
