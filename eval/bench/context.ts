import { join } from 'node:path';
import { startChild, type Child } from './child.ts';
import { makeArticle, type Article } from './corpus.ts';
import { startDatabase, type BenchDatabase } from './database.ts';
import type { PartReport } from './report.ts';

export interface BenchOptions {
  readonly quick: boolean;
  /** Documents of the latency parts, and of one round of the indexing part. */
  readonly documents: number;
  readonly indexingDocuments: number;
  readonly rounds: number;
  readonly minutes: number;
  readonly idleEdits: number;
  readonly secondsPerRate: number;
  readonly data?: string;
  readonly modelPath?: string;
  /** Folder for CPU profiles of the child processes. */
  readonly profile?: string;
}

/** A product under test and the table it follows. */
export interface Session {
  readonly child: Child;
  readonly table: string;
  /** As they stand in the table; writers keep them up to date. */
  readonly articles: Article[];
}

/** What the parts of one run share. Sessions are opened by the first part that needs them, and closed at the end. */
export interface BenchContext {
  readonly options: BenchOptions;
  readonly folder: string;
  readonly say: (line: string) => void;
  database(): Promise<BenchDatabase>;
  /** The product with the real model; its first copy may still be under way: `child.ready`. */
  realSession(): Promise<Session>;
  /** The product with the synthetic embedder, ready, and beside it the bare loop on a table of its own. */
  syntheticSession(): Promise<Session & { readonly bare: Session }>;
  close(): Promise<void>;
}

export type Part = (context: BenchContext) => Promise<PartReport>;

export function createContext(options: BenchOptions, folder: string, say: (line: string) => void): BenchContext {
  const closing: AsyncDisposable[] = [];
  const opened = <T extends AsyncDisposable>(one: T): T => {
    closing.push(one);
    return one;
  };
  const articles = (): Article[] => Array.from({ length: options.documents }, (_, at) => makeArticle(at + 1));
  const once = <T>(open: () => Promise<T>): (() => Promise<T>) => {
    let promise: Promise<T> | undefined;
    return () => (promise ??= open());
  };

  const database = once(async () => opened(await startDatabase(folder)));

  const product = async (name: string, embedder: 'real' | 'synthetic', tables: readonly string[]): Promise<Child> => {
    const { connectionString } = await database();
    return opened(
      await startChild(
        'product-process',
        {
          type: 'start',
          dataDir: join(folder, name),
          connectionString,
          tables,
          slot: `bench_${name}`,
          embedder,
          ...(options.modelPath === undefined ? {} : { modelPath: options.modelPath }),
        },
        options.profile,
      ),
    );
  };

  const realSession = once(async (): Promise<Session> => {
    const table = 'docs';
    const rows = articles();
    await (await database()).createTable(table, rows);
    return { child: await product('real', 'real', [table]), table, articles: rows };
  });

  const syntheticSession = once(async () => {
    const [table, bareTable, longTable] = ['synthetic_docs', 'bare_docs', 'long_docs'];
    const rows = articles();
    const bareRows = articles();
    const db = await database();
    await db.createTable(table, rows);
    await db.createTable(bareTable, bareRows);
    await db.createTable(longTable, []);
    const child = await product('synthetic', 'synthetic', [table, longTable]);
    say(`first copy of ${rows.length} documents with the synthetic embedder …`);
    await child.ready;
    const start = {
      type: 'start',
      connectionString: db.connectionString,
      table: bareTable,
      slot: 'bench_bare',
    } as const;
    const bareChild = opened(await startChild('bare-process', start, options.profile));
    await bareChild.ready;
    return { child, table, articles: rows, bare: { child: bareChild, table: bareTable, articles: bareRows } };
  });

  return {
    options,
    folder,
    say,
    database,
    realSession,
    syntheticSession,
    async close() {
      for (const one of closing.reverse()) {
        try {
          await one[Symbol.asyncDispose]();
        } catch (error) {
          console.error('closing failed:', error);
        }
      }
    },
  };
}
