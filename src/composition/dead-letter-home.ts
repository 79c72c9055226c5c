import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteState, type SqliteState } from '../../connectors/sqlite/state.ts';
import type { FreshetConfig } from '../config/index.ts';
import type { Observer } from '../observability/events.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import { lineSuffix } from '../services/blue-green/line-name.ts';
import { kafkaDeadLetters } from './kafka-dead-letters.ts';
import type { DataKeys } from './keys.ts';
import type { Ui } from './ui.ts';

/** Where dead letters are kept: each index has its own, for what one cannot take says nothing of the others. */
export interface DeadLetterHome {
  open(line: string, signal: AbortSignal): Promise<{ readonly deadLetters: DeadLetters; close(): Promise<void> }>;
  /** Removes those of an index that was dropped. */
  forget(line: string): Promise<void>;
}

/** The store that `deadLetters` of the configuration names. */
export function deadLetterHome(
  config: FreshetConfig,
  parts: {
    readonly state: SqliteState;
    readonly keys: Pick<DataKeys, 'seal'>;
    readonly observer: Observer;
    readonly ui: Ui;
  },
): DeadLetterHome {
  const { deadLetters } = config;
  return deadLetters.store === 'kafka'
    ? kafkaDeadLetters(config, deadLetters, parts)
    : stateDeadLetters(config, parts.state, parts.keys);
}

/** The first index has them beside the pushed documents, every other one in a file of its own. */
function stateDeadLetters(
  { dataDir }: Pick<FreshetConfig, 'dataDir'>,
  state: SqliteState,
  keys: Pick<DataKeys, 'seal'>,
): DeadLetterHome {
  const fileOf = (line: string): string => join(dataDir, `dead-letters.${line}.sqlite`);
  return {
    async open(line) {
      if (lineSuffix(line) === '') return { deadLetters: state.deadLetters, close: () => Promise.resolve() };
      const own = await openSqliteState({ path: fileOf(line), sealKey: keys.seal });
      return { deadLetters: own.deadLetters, close: async () => own[Symbol.asyncDispose]() };
    },
    async forget(line) {
      if (lineSuffix(line) !== '') {
        for (const companion of ['-shm', '-wal', '']) rmSync(fileOf(line) + companion, { force: true });
        return;
      }
      for (;;) {
        const letters = await state.deadLetters.list({ limit: 100 });
        if (letters.length === 0) return;
        for (const { id } of letters) await state.deadLetters.remove(id);
      }
    },
  };
}
