import { mkdtemp, open, rm, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { UNCHANGED, type ColumnValue, type Row } from '../../src/domain/change.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import { fillUnchanged, type RowEffect } from './changes.ts';

export interface SpoolLimits {
  /** Where a window that does not fit in memory is kept for a moment. */
  readonly folder: string;
  readonly memoryBytes: number;
}

const PARTITIONS = 64;
/** 64 partitions of 64 partitions: 4,096 times the memory limit before a single partition must fit. */
const DEPTH_MAX = 3;

/** FNV-1a, salted per depth so that a partition is cut again along other lines. */
function partitionOf(name: string, salt: number): number {
  let hash = 0x811c9dc5 ^ (salt * 0x9e3779b9);
  for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % PARTITIONS;
}

interface Stored {
  readonly table: TableId;
  readonly key: RowKey;
  readonly row: Record<string, ColumnValue> | undefined;
  readonly unchanged: readonly string[];
  readonly bytes: number;
  readonly generation: number;
}

function pack(effect: RowEffect, generation: number): Buffer {
  const { table, key, row, bytes } = effect;
  const unchanged = row === undefined ? [] : Object.keys(row).filter((name) => row[name] === UNCHANGED);
  // Symbols cannot be serialized.
  const kept =
    row === undefined ? undefined : Object.fromEntries(Object.entries(row).filter(([, value]) => value !== UNCHANGED));
  return serialize({ table, key, row: kept, unchanged, bytes, generation });
}

function unpack(buffer: Buffer): { effect: RowEffect; generation: number } {
  const { table, key, row, unchanged, bytes, generation } = deserialize(buffer) as Stored;
  if (row !== undefined) for (const name of unchanged) row[name] = UNCHANGED;
  return { effect: { table, key, row: row as Row | undefined, bytes }, generation };
}

/** Length-prefixed records in a file that has no name any more: nothing is left behind however the process ends. */
class RecordFile {
  #handle: FileHandle | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #size = 0;

  async append(record: Buffer, path: () => string): Promise<void> {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(record.length);
    this.#pending.push(head, record);
    this.#pendingBytes += record.length + 4;
    if (this.#pendingBytes >= 128 * 1024) await this.flush(path);
  }

  async flush(path: () => string): Promise<void> {
    if (this.#pendingBytes === 0) return;
    if (this.#handle === undefined) {
      const name = path();
      this.#handle = await open(name, 'wx+', 0o600);
      // Where an open file cannot be removed, its folder is, at the end.
      await unlink(name).catch(() => undefined);
    }
    const data = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#handle.write(data, 0, data.length, this.#size);
    this.#size += data.length;
  }

  async *records(): AsyncGenerator<Buffer> {
    const handle = this.#handle;
    const head = Buffer.alloc(4);
    for (let at = 0; handle !== undefined && at < this.#size; ) {
      await handle.read(head, 0, 4, at);
      const record = Buffer.alloc(head.readUInt32BE());
      await handle.read(record, 0, record.length, at + 4);
      at += 4 + record.length;
      yield record;
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

/**
 * Folds the changes of a window to the last one per row, in bounded memory: what does not fit is written to files by the hash of its row,
 * each of which is folded by itself. The order of the result is the same for the same input.
 */
export class Spool {
  readonly #limits: SpoolLimits;
  readonly #depth: number;
  readonly #rows = new Map<string, RowEffect>();
  readonly #generations = new Map<TableId, number>();
  #bytes = 0;
  #files: RecordFile[] | undefined;
  #folder: string | undefined;

  constructor(limits: SpoolLimits, depth = 0) {
    this.#limits = limits;
    this.#depth = depth;
  }

  async add(effect: RowEffect): Promise<void> {
    const { table, key, previousKey } = effect;
    const name = `${table}\0${key}`;
    const before = this.#rows.get(name);
    const earlier = before ?? (previousKey === undefined ? undefined : this.#rows.get(`${table}\0${previousKey}`));
    const row = effect.row === undefined ? undefined : fillUnchanged(effect.row, earlier?.row);
    const bytes = row === effect.row ? effect.bytes : effect.bytes + (earlier?.bytes ?? 0);
    this.#rows.set(name, { table, key, row, bytes });
    this.#bytes += bytes - (before?.bytes ?? 0);
    if (this.#bytes > this.#limits.memoryBytes && this.#depth < DEPTH_MAX) await this.#spill();
  }

  /** Everything of the table so far is void. */
  truncate(table: TableId): void {
    this.#generations.set(table, this.#generation(table) + 1);
    for (const [name, effect] of this.#rows) {
      if (effect.table !== table) continue;
      this.#rows.delete(name);
      this.#bytes -= effect.bytes;
    }
  }

  #generation(table: TableId): number {
    return this.#generations.get(table) ?? 0;
  }

  async #spill(): Promise<void> {
    this.#files ??= Array.from({ length: PARTITIONS }, () => new RecordFile());
    this.#folder ??= await mkdtemp(join(this.#limits.folder, 'freshet-spool-'));
    const folder = this.#folder;
    const touched = new Set<number>();
    for (const [name, effect] of this.#rows) {
      const partition = partitionOf(name, this.#depth);
      touched.add(partition);
      await this.#file(partition).append(pack(effect, this.#generation(effect.table)), () =>
        join(folder, String(partition)),
      );
    }
    for (const partition of touched) await this.#file(partition).flush(() => join(folder, String(partition)));
    this.#rows.clear();
    this.#bytes = 0;
  }

  #file(partition: number): RecordFile {
    return (this.#files as RecordFile[])[partition] as RecordFile;
  }

  /** The folded changes, once. The spool is empty afterwards. */
  async *drain(): AsyncGenerator<RowEffect> {
    if (this.#files === undefined) {
      yield* this.#rows.values();
    } else {
      await this.#spill();
      for (const file of this.#files) {
        const part = new Spool(this.#limits, this.#depth + 1);
        try {
          for await (const record of file.records()) {
            const { effect, generation } = unpack(record);
            if (generation === this.#generation(effect.table)) await part.add(effect);
          }
          yield* part.drain();
        } finally {
          await part.dispose();
        }
      }
    }
    await this.dispose();
  }

  async dispose(): Promise<void> {
    this.#rows.clear();
    this.#generations.clear();
    this.#bytes = 0;
    for (const file of this.#files ?? []) await file.close();
    this.#files = undefined;
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
