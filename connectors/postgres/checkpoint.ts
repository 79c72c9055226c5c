import { z } from 'zod';
import type { TableId } from '../../src/domain/ids.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { formatLsn, parseLsn, type Lsn } from './lsn.ts';

const lsnText = z.string().transform((text, context) => {
  const parsed = parseLsn(text);
  if (parsed === undefined) context.addIssue({ code: 'custom', message: 'no LSN' });
  return parsed ?? 0n;
});

const tableSchema = z.object({
  fingerprint: z.string(),
  oid: z.number(),
  key: z.array(z.string()),
  /** Left the configuration: if it ever returns, nobody knows what happened meanwhile. */
  removed: z.boolean(),
  /** Leaf partitions of a partitioned table, by OID, with the file each lies in. */
  partitions: z.record(z.string(), z.string()).optional(),
  snapshot: z.object({
    finished: z.boolean(),
    rows: z.number(),
    /** Key of the last row settled downstream, as the server wrote it; undefined before the first. */
    cursor: z.array(z.string()).optional(),
  }),
});

const checkpointSchema = z.object({
  format: z.literal(1),
  systemId: z.string(),
  timeline: z.number(),
  database: z.string(),
  slot: z.string(),
  publication: z.string(),
  epoch: z.number().int().min(0),
  /** Versions of the epoch count from here. */
  base: lsnText,
  /** Everything before is durable downstream; a restart resumes here. */
  position: lsnText,
  tables: z.record(z.string(), tableSchema),
});

export type TableState = z.output<typeof tableSchema>;
export type Checkpoint = z.output<typeof checkpointSchema>;

export const freshTable = (fingerprint: string, oid: number, key: readonly string[]): TableState => ({
  fingerprint,
  oid,
  key: [...key],
  removed: false,
  snapshot: { finished: false, rows: 0 },
});

/**
 * The source's memory. `current` is changed in place by its one owner and written whole; writes never overlap, and whatever changed during
 * one goes into the next.
 */
export class CheckpointStore {
  readonly #checkpoints: Checkpoints;
  readonly #source: string;
  #current: Checkpoint | undefined;
  #durable: Lsn | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(checkpoints: Checkpoints, source: string) {
    this.#checkpoints = checkpoints;
    this.#source = source;
  }

  get current(): Checkpoint | undefined {
    return this.#current;
  }

  /** The position that survives a crash now: the most that may be acknowledged. */
  get durable(): Lsn | undefined {
    return this.#durable;
  }

  async load(): Promise<Checkpoint | undefined> {
    const stored = await this.#checkpoints.load(this.#source);
    if (stored === undefined || stored === null) return undefined;
    const parsed = checkpointSchema.safeParse(stored);
    if (!parsed.success) {
      throw new FreshetError(
        'CHECKPOINT_UNREADABLE',
        'fatal',
        `The stored position of source "${this.#source}" cannot be read (written by another version, or damaged). Run "freshet rebuild".`,
        { details: { path: parsed.error.issues[0]?.path.join('.') } },
      );
    }
    this.#current = parsed.data;
    this.#durable = parsed.data.position;
    return parsed.data;
  }

  async replace(checkpoint: Checkpoint): Promise<void> {
    this.#current = checkpoint;
    await this.save();
  }

  table(id: TableId): TableState | undefined {
    return this.#current?.tables[id];
  }

  /** Resolves once everything changed before the call is durable. */
  save(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#write().finally(() => (this.#running = undefined));
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.save();
      });
    return this.#next;
  }

  async #write(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const { position } = current;
    const json = {
      ...current,
      base: formatLsn(current.base),
      position: formatLsn(position),
      tables: structuredClone(current.tables),
    };
    await this.#checkpoints.save(this.#source, json);
    this.#durable = position;
  }
}
