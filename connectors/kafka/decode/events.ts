import type {
  ChangeRecord,
  DebeziumRecord,
  DeleteRecord,
  EnvelopeRecord,
  RecordKey,
  TombstoneRecord,
  TruncateRecord,
  UnwrappedRecord,
} from 'debezium-ts-types';
import type { ChangeEvent, Nothing, Row } from '../../../src/domain/change.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import type { SourcePosition } from '../../../src/domain/source-position.ts';
import type { Instant } from '../../../src/domain/time.ts';
import { makeVersion } from '../../../src/domain/version.ts';
import type { DecodedRecord, KafkaRecord } from '../record.ts';
import { keyOfRecord } from './keys.ts';
import { LogMemory, type Place, type Shape } from './memory.ts';
import type { DecodedTable, RecordDecoderOptions } from './options.ts';
import { addedTime, commitTime, positionOf, postgresPosition } from './positions.ts';
import { toRow } from './rows.ts';
import { isRead, sightingOf, sightingOfMessage, sightingOfUnwrapped, type Sighting } from './sightings.ts';
import { Tables } from './tables.ts';
import { meaningOfTombstone } from './tombstones.ts';

const nothing = (reason: Nothing['reason'], sighting: Sighting = {}): DecodedRecord => ({
  event: { kind: 'nothing', reason },
  ...sighting,
});

/** A change of one row, before it is an event. */
interface RowFacts {
  readonly table: DecodedTable;
  readonly key: RecordKey | null;
  /** Undefined: the row is gone. */
  readonly row: Row | undefined;
  readonly isRead: boolean;
  readonly sourcePosition: SourcePosition | undefined;
  readonly sourceTime: Instant | undefined;
  readonly sighting: Sighting;
  /** Of a change of the key: the new one on its delete, the old one on its create. */
  readonly otherKey: RecordKey | null;
}

/** Turns a record as Debezium means it into an event as the pipeline means it. Throws poison; the caller makes it an event. */
export class Interpreter {
  readonly #tables: Tables;
  readonly #tombstonesDelete: boolean | 'auto';
  readonly #memory = new LogMemory();

  constructor({ tables, topicPrefix, tombstonesDelete = 'auto' }: RecordDecoderOptions) {
    this.#tables = new Tables(tables, topicPrefix);
    this.#tombstonesDelete = tombstonesDelete;
  }

  /** The table whose rows a topic holds, where the topic's name says so. */
  tableOfTopic(topic: string): DecodedTable | undefined {
    return this.#tables.ofTopic(topic);
  }

  begins(topic: string, partition: number, offset: bigint): void {
    this.#memory.begin(topic, partition, offset);
  }

  interpret(record: DebeziumRecord, at: KafkaRecord, epoch: number): DecodedRecord {
    switch (record.kind) {
      case 'change':
      case 'delete':
      case 'partial-update':
      case 'truncate':
        return this.#envelope(record, at, epoch);
      case 'unwrapped':
        return this.#unwrapped(record, at, epoch);
      case 'tombstone':
        return this.#tombstone(record, at, epoch);
      case 'heartbeat':
        return nothing('heartbeat');
      case 'message':
        return nothing('logical-message', sightingOfMessage(record));
      case 'transaction':
        return nothing('transaction-marker');
      case 'signal':
      case 'notification':
      case 'schema-change':
        return nothing('untracked-table');
    }
  }

  #envelope(record: Exclude<EnvelopeRecord, { kind: 'message' }>, at: KafkaRecord, epoch: number): DecodedRecord {
    this.#memory.learn(at.topic, 'envelope');
    const table = this.#tables.ofEnvelope(record);
    if (table === undefined) return nothing('untracked-table', sightingOf(record));
    switch (record.kind) {
      case 'truncate':
        return truncated(table, record, epoch);
      case 'partial-update':
        throw new FreshetError(
          'DOCUMENT_INCOMPLETE',
          'poison',
          `A change of ${table.id} came without its document, only with what changed in it. Set ` +
            'capture.mode=change_streams_update_full at the MongoDB connector.',
          { details: { table: table.id } },
        );
      default:
        return this.#change(rowOfEnvelope(record, table), at, epoch);
    }
  }

  #unwrapped(record: UnwrappedRecord, at: KafkaRecord, epoch: number): DecodedRecord {
    const { added } = record;
    const shape = this.#shapeOf(record);
    this.#memory.learn(at.topic, shape);
    const table = this.#tables.ofUnwrapped(at.topic, added);
    const sourceTime = addedTime(added);
    const deleted = record.deleted || added.op === 'd';
    const isRead = !deleted && (added.snapshot ?? (added.op === 'r' ? 'true' : 'false')) !== 'false';
    const sighting = sightingOfUnwrapped(added, isRead, table);
    if (table === undefined) return nothing('untracked-table', sighting);
    const facts: RowFacts = {
      table,
      key: record.key,
      row: deleted ? undefined : toRow(record.row, null),
      isRead,
      // Of two changes of a row in one millisecond the second may have the lower LSN, so an LSN and a time are not enough.
      sourcePosition: shape === 'bare' ? undefined : postgresPosition(added.sequence),
      sourceTime,
      sighting,
      otherKey: deleted ? record.newKey : record.oldKey,
    };
    return this.#change(facts, at, epoch);
  }

  #shapeOf({ added }: UnwrappedRecord): Shape {
    if (this.#tombstonesDelete === true) return 'bare';
    if (this.#tombstonesDelete === false) return 'rewritten';
    return Object.hasOwn(added.all, 'deleted') ? 'rewritten' : 'bare';
  }

  #change(facts: RowFacts, at: KafkaRecord, epoch: number): DecodedRecord {
    const { table, row, isRead, sourceTime } = facts;
    const key = keyOfRecord(facts.key, table);
    const version = makeVersion(epoch, at.offset);
    const committedAt = sourceTime ?? at.timestamp;
    const sourcePosition = isRead ? undefined : facts.sourcePosition;
    const place: Place | undefined = sourcePosition && { sourcePosition, committedAt };
    const previous = { offset: at.offset, table: table.id, key, deleted: row === undefined };
    this.#memory.remember(at.topic, at.partition, previous, place);
    const change = {
      table: table.id,
      key,
      version,
      committedAt,
      ...(place === undefined ? {} : { sourcePosition: place.sourcePosition }),
    };
    const event: ChangeEvent =
      row === undefined
        ? { kind: 'row-deleted', ...change }
        : { kind: 'row-upserted', ...change, row, snapshot: isRead };
    return {
      event,
      ...facts.sighting,
      ...(facts.otherKey === null
        ? {}
        : { [row === undefined ? 'movedTo' : 'movedFrom']: keyOfRecord(facts.otherKey, table) }),
    };
  }

  #tombstone(record: TombstoneRecord, at: KafkaRecord, epoch: number): DecodedRecord {
    const table = this.#tables.ofUnwrapped(at.topic, record.added);
    // Tombstones of what was never ours, and of rows without keys, mean nothing to anyone.
    if (table === undefined || record.key === null) return nothing('tombstone');
    const key = keyOfRecord(record.key, table);
    const meaning = meaningOfTombstone(at, { table: table.id, key }, this.#memory, this.#tombstonesDelete);
    if (meaning === 'nothing') return nothing('tombstone');
    const { place } = meaning;
    const previous = { offset: at.offset, table: table.id, key, deleted: true };
    this.#memory.remember(at.topic, at.partition, previous, undefined);
    return {
      event: {
        kind: 'row-deleted',
        table: table.id,
        key,
        version: makeVersion(epoch, at.offset),
        committedAt: place?.committedAt ?? addedTime(record.added) ?? at.timestamp,
        ...(place === undefined ? {} : { sourcePosition: place.sourcePosition }),
      },
    };
  }
}

function rowOfEnvelope(record: ChangeRecord | DeleteRecord, table: DecodedTable): RowFacts {
  const { source } = record;
  const isDelete = record.kind === 'delete';
  return {
    table,
    key: record.key,
    row: isDelete ? undefined : toRow(record.after, record.before),
    isRead: isRead(record),
    sourcePosition: positionOf(source),
    sourceTime: commitTime(source),
    sighting: sightingOf(record, table),
    otherKey: isDelete ? record.newKey : record.oldKey,
  };
}

function truncated(table: DecodedTable, record: TruncateRecord, epoch: number): DecodedRecord {
  const { source } = record;
  const sourcePosition = positionOf(source);
  const committedAt = commitTime(source);
  if (sourcePosition === undefined) {
    throw new FreshetError(
      'TRUNCATE_WITHOUT_POSITION',
      'poison',
      `A TRUNCATE of ${table.id} does not say where it stands in its database's log, so what it removed cannot be told from what came ` +
        'later. Take a fresh snapshot in a new epoch.',
      { details: { table: table.id } },
    );
  }
  return {
    event: { kind: 'table-truncated', table: table.id, epoch, sourcePosition, committedAt },
    ...sightingOf(record),
  };
}
