import type { TableId } from '../../src/domain/ids.ts';

/** The part of the product's observer a files source speaks to. Codes and numbers; paths may name people, so there are none. */
export interface FilesObserver {
  emit(
    event:
      | {
          readonly type: 'source';
          readonly source: string;
          readonly level: 'info' | 'warn' | 'error';
          readonly code: string;
          readonly message: string;
        }
      | {
          readonly type: 'snapshot-progress';
          readonly source: string;
          readonly table: TableId;
          readonly rows: number;
          readonly finished: boolean;
        },
  ): void;
}

/** Says each trouble once, until it is over. */
export class Troubles {
  #source: string;
  #observer: FilesObserver | undefined;
  #open = new Set<string>();

  constructor(source: string, observer: FilesObserver | undefined) {
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
