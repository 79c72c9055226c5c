import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { Api } from '../../src/api/app.ts';
import type { DemoArticle, DemoPort, DemoWrite } from '../../src/api/demo-port.ts';
import type { ServerOptions } from '../../src/api/options.ts';
import { buildServer } from '../../src/api/server.ts';
import type { Redacted } from '../../src/domain/document.ts';
import { chunkId, DEFAULT_TENANT, rowDocumentId, rowKey, tableId, type DocumentId } from '../../src/domain/ids.ts';
import type { SearchHit } from '../../src/domain/search.ts';
import type { Version } from '../../src/domain/version.ts';
import { createChangeFeed } from '../../src/observability/change-feed.ts';
import type { StageTimes } from '../../src/observability/events.ts';
import type { FreshnessReport, SearchAnswer, SearchRequest } from '../../src/services/services.ts';
import { findWebRoot } from '../../src/web/assets.ts';
import { fakeServices, silentLogger } from '../api/fakes.ts';
import { ARTICLES } from './articles.ts';

const TABLE = tableId('handbook.public.articles');

interface IndexedChunk {
  readonly id: string;
  readonly text: string;
  readonly heading: string;
}
interface Indexed {
  readonly article: DemoArticle;
  readonly version: number;
  readonly committedAt: number;
  readonly indexedAt: number;
  readonly chunks: readonly IndexedChunk[];
}

/** What a test can turn while the page is open. */
export interface Knobs {
  ready: boolean;
  rowsRead: number;
  lexicalOnly: boolean;
  embedderDown: boolean;
  /** Milliseconds each stage takes. */
  stageMs: number;
  /** Fails the next change in the embed stage, for good. */
  poison: boolean;
  searchFails: boolean;
}

/**
 * A small world behind the real HTTP server: rows, a pipeline that takes a moment per stage, an index searched by words. What it shows to
 * the page goes through the real change feed and the real routes.
 */
export class World implements AsyncDisposable {
  readonly knobs: Knobs = {
    ready: true,
    rowsRead: ARTICLES.length,
    lexicalOnly: false,
    embedderDown: false,
    stageMs: 4,
    poison: false,
    searchFails: false,
  };
  readonly #rows = new Map<string, DemoArticle>();
  readonly #index = new Map<DocumentId, Indexed>();
  readonly #feed = createChangeFeed({
    now: Date.now,
    describe: async (document) => {
      const article = this.#index.get(document)?.article;
      return article === undefined ? undefined : { title: article.title, uri: `handbook://${article.slug}` };
    },
  });
  #version = 33_554_432;
  #nextId = 1;
  #app: Api | undefined;
  #url = '';

  static async open(
    options: { readonly demo?: boolean; readonly port?: number; readonly server?: Partial<ServerOptions> } = {},
  ): Promise<World> {
    const world = new World();
    for (const { title, body } of ARTICLES) world.#insert(title, body);
    world.#app = await buildServer({
      services: fakeServices({
        search: { search: (request) => world.#search(request) },
        documents: { status: async (id) => world.#status(id as DocumentId) },
        freshness: {
          report: async () => world.#report(),
          ready: async () => ({ ready: world.knobs.ready, reasons: [] }),
          recent: (tenant, limit) => world.#feed.recent(tenant, limit),
          subscribe: (tenant, listener) => world.#feed.subscribe(tenant, listener),
        },
      }),
      auth: { host: '127.0.0.1', keys: [], defaultTenant: DEFAULT_TENANT },
      ...(options.demo === false ? {} : { demo: world.#demo() }),
      metrics: new Registry(),
      logger: silentLogger,
      version: '0.0.0-test',
      webRoot: findWebRoot(),
      ...options.server,
    });
    world.#url = await world.#app.listen({ host: '127.0.0.1', port: options.port ?? 0 });
    return world;
  }

  get url(): string {
    return this.#url;
  }

  article(title: string): DemoArticle {
    const found = [...this.#rows.values()].find((row) => row.title === title);
    if (found === undefined) throw new Error(`No article is titled "${title}".`);
    return found;
  }

  /** Somebody with psql. */
  edit(title: string, body: string): Promise<DemoWrite | undefined> {
    return this.#save(this.article(title).id, { title, body });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app?.close();
  }

  #insert(title: string, body: string): DemoArticle {
    const id = String(this.#nextId++);
    const committedAt = Date.now() - 86_400_000 * (1 + (Number(id) % 40));
    const article = this.#row(id, title, body, committedAt);
    this.#put(article, committedAt);
    return article;
  }

  #row(id: string, title: string, body: string, at: number): DemoArticle {
    const article: DemoArticle = {
      id,
      title,
      body,
      slug: title.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-'),
      updatedAt: new Date(at).toISOString(),
      documentId: rowDocumentId('handbook', TABLE, rowKey([Number(id)])),
    };
    this.#rows.set(id, article);
    return article;
  }

  /** Chunks are the paragraphs. Gives how many of them are new. */
  #put(
    article: DemoArticle,
    committedAt: number,
  ): { readonly total: number; readonly embedded: number; readonly version: number } {
    const document = article.documentId as DocumentId;
    const before = new Set(this.#index.get(document)?.chunks.map((chunk) => chunk.id));
    let heading = '';
    const chunks: IndexedChunk[] = [];
    for (const text of article.body.split(/\n{2,}/u).map((part) => part.trim())) {
      if (text.startsWith('## ')) heading = text.slice(3);
      else if (text !== '') chunks.push({ id: chunkId(document, 'fake', text, 0), text, heading });
    }
    const version = ++this.#version;
    this.#index.set(document, { article, version, committedAt, indexedAt: Date.now(), chunks });
    return { total: chunks.length, embedded: chunks.filter((chunk) => !before.has(chunk.id)).length, version };
  }

  #demo(): DemoPort {
    return {
      listArticles: async () =>
        [...this.#rows.values()]
          .sort((a, b) => a.title.localeCompare(b.title))
          .map(({ body: _body, ...summary }) => summary),
      getArticle: async (id) => this.#rows.get(id),
      saveArticle: (id, text) => this.#save(id, text),
      createArticle: async (text) => {
        const id = String(this.#nextId++);
        const article = this.#row(id, text.title, text.body, Date.now());
        void this.#process(article, false);
        return { id, documentId: article.documentId, token: `t${this.#version}` };
      },
      deleteArticle: async (id) => {
        const article = this.#rows.get(id);
        if (article === undefined) return undefined;
        this.#rows.delete(id);
        void this.#process(article, true);
        return { id, documentId: article.documentId, token: `t${this.#version}` };
      },
    };
  }

  async #save(id: string, text: { readonly title: string; readonly body: string }): Promise<DemoWrite | undefined> {
    if (!this.#rows.has(id)) return undefined;
    const article = this.#row(id, text.title, text.body, Date.now());
    void this.#process(article, false);
    return { id, documentId: article.documentId, token: `t${this.#version}` };
  }

  /** The pipeline: a moment per stage, each told as an event. */
  async #process(article: DemoArticle, deleted: boolean): Promise<void> {
    const document = article.documentId as DocumentId;
    const committed = Date.now();
    const base = { source: 'handbook', table: TABLE, document, tenant: DEFAULT_TENANT, snapshot: false } as const;
    let times: StageTimes = { committed, received: committed };
    let version = (this.#version + 1) as Version;
    const step = async (stage: 'received' | 'redacted' | 'embedded', ms: number): Promise<void> => {
      await sleep(ms);
      times = { ...times, [stage]: Date.now() };
      this.#feed.emit({ type: `document-${stage}`, ...base, version, times });
    };
    await step('received', this.knobs.stageMs);
    if (deleted) {
      times = { ...times, visible: Date.now() };
      this.#feed.emit({
        type: 'document-deleted',
        ...base,
        version,
        times,
        chunksTotal: 0,
        chunksEmbedded: 0,
        tokensEmbedded: 0,
      });
      await this.#feed.idle();
      this.#index.delete(document);
      return;
    }
    await step('redacted', this.knobs.stageMs / 2);
    if (this.knobs.poison) {
      this.#feed.emit({
        type: 'dead-lettered',
        source: 'handbook',
        table: TABLE,
        document,
        stage: 'embed',
        code: 'TEXT_REFUSED',
        attempts: 1,
      });
      return;
    }
    await step('embedded', this.knobs.stageMs * 3);
    await sleep(this.knobs.stageMs);
    const { total, embedded, version: stored } = this.#put(article, committed);
    version = stored as Version;
    times = { ...times, visible: Date.now() };
    this.#feed.emit({
      type: 'document-visible',
      ...base,
      version,
      times,
      chunksTotal: total,
      chunksEmbedded: embedded,
      tokensEmbedded: embedded * 40,
    });
  }

  async #search({ query, limit }: SearchRequest): Promise<SearchAnswer> {
    if (this.knobs.searchFails) throw new Error('broken on purpose');
    const words = query.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [];
    const hits: SearchHit[] = [];
    for (const [document, { article, version, committedAt, indexedAt, chunks }] of this.#index) {
      for (const chunk of chunks) {
        const text = `${article.title} ${chunk.text}`.toLowerCase();
        const found = words.filter((word) => text.includes(word)).length;
        if (found === 0) continue;
        const start = article.body.indexOf(chunk.text);
        hits.push({
          chunk: chunk.id as SearchHit['chunk'],
          document,
          table: TABLE,
          score: found / 60 + (article.title.toLowerCase().includes(words[0] ?? '') ? 0.01 : 0),
          text: chunk.text as Redacted<string>,
          start,
          end: start + chunk.text.length,
          headings: [article.title, chunk.heading].filter((heading) => heading !== ''),
          title: article.title,
          uri: `handbook://${article.slug}`,
          metadata: { slug: article.slug },
          version: version as Version,
          committedAt,
          indexedAt,
        });
      }
    }
    hits.sort((a, b) => b.score - a.score || (a.chunk < b.chunk ? -1 : 1));
    const asOf = Date.now() - 40;
    return {
      hits: hits.slice(0, limit),
      query,
      freshness: {
        asOf,
        lagMs: 40,
        token: `t${this.#version}`,
        tokenReached: true,
        perSource: [{ source: 'handbook', asOf, lagMs: 40 }],
      },
      ...(this.knobs.embedderDown
        ? {
            degraded: {
              code: 'EMBEDDER_UNAVAILABLE',
              message: 'The embedding model is away: these results were found by words only.',
            },
          }
        : {}),
    };
  }

  #status(id: DocumentId) {
    const tracked = this.#feed.lastChange(id, DEFAULT_TENANT);
    const failure = tracked?.failure && { ...tracked.failure, message: 'Refused.', deadLetter: 'd1' };
    return {
      id,
      state: tracked?.state ?? ('unknown' as const),
      version: tracked?.version,
      times: tracked?.times ?? {},
      freshnessMs: undefined,
      ...(failure && { failure }),
    };
  }

  #report(): FreshnessReport {
    const now = Date.now();
    const { ready, rowsRead, lexicalOnly, embedderDown } = this.knobs;
    const chunks = [...this.#index.values()].reduce((sum, { chunks: own }) => sum + own.length, 0);
    return {
      now,
      ready,
      asOf: ready ? now - 40 : undefined,
      token: `t${this.#version}`,
      sources: [
        {
          source: 'handbook',
          connected: true,
          snapshotFinished: ready,
          snapshots: [{ table: 'public.articles', rowsRead, rowsTotal: ARTICLES.length, finished: ready }],
          partitions: [],
          gauges: {},
        },
      ],
      commitToVisible: this.#feed.commitToVisible(),
      deadLetters: 0,
      embedder: {
        fingerprint: 'fake:words',
        name: lexicalOnly ? 'hashing' : 'all-MiniLM-L6-v2',
        lexicalOnly,
        down: embedderDown,
      },
      index: { documents: this.#index.size, chunks, bytesOnDisk: 1_000_000 },
    };
  }
}
