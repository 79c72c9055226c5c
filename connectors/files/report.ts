import type { Observer } from '../../src/observability/events.ts';

/** Says each trouble once, until it is over. */
export class Troubles {
  #source: string;
  #observer: Observer | undefined;
  #open = new Set<string>();

  constructor(source: string, observer: Observer | undefined) {
    this.#source = source;
    this.#observer = observer;
  }

  began(level: 'warn' | 'error', code: string, message: string): void {
    if (this.#open.has(code)) return;
    this.#open.add(code);
    this.#observer?.emit({ type: 'source', source: this.#source, level, code, message });
  }

  ended(code: string, message: string): void {
    if (this.#open.delete(code))
      this.#observer?.emit({ type: 'source', source: this.#source, level: 'info', code, message });
  }
}
