import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../sim/random.ts';
import type { Sql } from './sql.ts';

const WORDS =
  'amber basalt cedar dune ember fjord garnet heather indigo juniper karst larch moss nectar ochre pine quartz reed slate thyme'.split(
    ' ',
  );
/** Beyond what a page holds: PostgreSQL keeps it out of line, and Debezium leaves it out of changes that do not touch it. */
const LARGE_SECTIONS = 120;

export interface LoadOptions {
  readonly seed: number;
  /** Statements a second, as far as the database follows. */
  readonly perSecond: number;
  /** Rows that come and go. */
  readonly rows: number;
}

/**
 * Edits of all kinds on the articles, from a seed. Every statement is right to run twice, for one whose connection broke may have been
 * committed.
 */
export class Load {
  readonly #sql: Sql;
  readonly #options: LoadOptions;
  readonly #random: Random;
  #running: Promise<void> | undefined;
  #stopping = false;
  #statements = 0;

  constructor(sql: Sql, options: LoadOptions) {
    this.#sql = sql;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  /** Statements that came back. */
  get statements(): number {
    return this.#statements;
  }

  start(): this {
    this.#stopping = false;
    this.#running = this.#run();
    return this;
  }

  /** Rejects with what a statement failed with. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    while (!this.#stopping) {
      await this.#edit();
      this.#statements += 1;
      const dueMs = (this.#statements / this.#options.perSecond) * 1000 - (performance.now() - startedAt);
      // After an outage it catches up with what was missed, at most a second's worth of it in one go.
      if (dueMs > 0) await sleep(dueMs);
    }
  }

  async #edit(): Promise<void> {
    const slug = `load-${this.#random.int(this.#options.rows)}`;
    const dice = this.#random.int(100);
    if (dice < 45) {
      await this.#sql.run(
        `INSERT INTO articles (slug, title, body) VALUES ($1, $2, $3) ON CONFLICT (slug) DO UPDATE SET body = excluded.body`,
        [slug, `Title of ${slug}`, this.#text()],
      );
    } else if (dice < 60) {
      await this.#sql.run('UPDATE articles SET title = $1 WHERE slug = $2', [this.#words(3), slug]);
    } else if (dice < 75) {
      await this.#sql.run('DELETE FROM articles WHERE slug = $1', [slug]);
    } else if (dice < 82) {
      // A new key from a range of its own: the same statement run twice finds the row moved and moves it nowhere.
      await this.#sql.run('UPDATE articles SET id = $1 WHERE slug = $2', [
        1_000_000 + this.#random.int(1_000_000_000),
        slug,
      ]);
    } else if (dice < 88) {
      await this.#sql.run('UPDATE articles SET published = $1 WHERE slug = $2', [this.#random.int(2) === 0, slug]);
    } else if (dice < 92) {
      await this.#sql.run(
        `INSERT INTO articles (slug, title, body) VALUES ($1, 'Large', $2) ON CONFLICT (slug) DO UPDATE SET body = excluded.body`,
        [slug, Array.from({ length: LARGE_SECTIONS }, () => this.#text()).join('\n\n')],
      );
    } else {
      const other = `load-${this.#random.int(this.#options.rows)}`;
      await this.#sql.run(`
        BEGIN;
        DELETE FROM articles WHERE slug = '${slug}';
        INSERT INTO articles (slug, title, body) VALUES ('${slug}', 'Again', '${this.#text()}') ON CONFLICT (slug) DO NOTHING;
        UPDATE articles SET body = '${this.#text()}' WHERE slug = '${other}';
        UPDATE articles SET body = '${this.#text()}' WHERE slug = '${slug}';
        COMMIT`);
    }
  }

  #text(): string {
    return `${this.#words(12)}. ${this.#words(18)}.`;
  }

  #words(count: number): string {
    return Array.from({ length: count }, () => WORDS[this.#random.int(WORDS.length)]).join(' ');
  }
}
