/** A row of the demo's articles table, as the page lists it. */
export interface DemoArticleSummary {
  readonly id: string;
  readonly title: string;
  readonly slug: string;
  /** RFC 3339. */
  readonly updatedAt: string;
  /** The document the row becomes, so that the page can follow its stages. */
  readonly documentId: string;
}

export interface DemoArticle extends DemoArticleSummary {
  readonly body: string;
}

export interface DemoArticleText {
  readonly title: string;
  readonly body: string;
}

export interface DemoWrite {
  readonly id: string;
  readonly documentId: string;
  /** Covers the write: a search with it sees the change. */
  readonly token: string;
}

/**
 * Articles of the demo's real database: each write is one SQL statement, committed before it resolves. Nothing here touches the index;
 * that the search changes is the pipeline's doing.
 */
export interface DemoPort {
  listArticles(signal: AbortSignal): Promise<readonly DemoArticleSummary[]>;
  getArticle(id: string, signal: AbortSignal): Promise<DemoArticle | undefined>;
  /** Undefined when there is no such row. */
  saveArticle(id: string, text: DemoArticleText, signal: AbortSignal): Promise<DemoWrite | undefined>;
  createArticle(text: DemoArticleText, signal: AbortSignal): Promise<DemoWrite>;
  /** Undefined when there is no such row. */
  deleteArticle(id: string, signal: AbortSignal): Promise<DemoWrite | undefined>;
}
