import { describe, expect, it } from 'vitest';
import { UNCHANGED, type Row } from '../../src/domain/change.ts';
import { rowKey, tableId, type DocumentId } from '../../src/domain/ids.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import { createMapper } from '../../src/ingest/map.ts';

const mapper = createMapper({
  applyColumnPolicy: (row) => row,
  htmlToText: (html) => html,
  hashKey: new Uint8Array(32),
  maxTextLength: 1_000,
});
const mapping: TableMapping = {
  table: tableId('app.public.docs'),
  text: '{body}',
  tenant: { value: 'default' as never },
  metadata: {},
  format: 'plain',
  columns: {},
};
const map = (row: Row, more: Partial<TableMapping> = {}): unknown =>
  mapper.map(row, 'd' as DocumentId, rowKey([1]), { ...mapping, ...more });

describe('a row that is not mapped', () => {
  it('breaks its table’s contract', () => {
    const contract = { columns: { body: { type: 'text', nullable: false } }, additional: 'allow' } as const;
    expect(map({ body: 'x' }, { contract })).toMatchObject({ text: 'x' });
    expect(() => map({ body: null }, { contract })).toThrow(
      expect.objectContaining({ code: 'CONTRACT_VIOLATED', kind: 'poison' }),
    );
  });

  it('lacks a large value that its mapping reads: it is never taken for empty text', () => {
    expect(() => map({ body: UNCHANGED })).toThrow(
      expect.objectContaining({ code: 'TOAST_VALUE_UNAVAILABLE', kind: 'poison' }),
    );
    expect(map({ body: 'x', other: UNCHANGED })).toMatchObject({ text: 'x' });
  });
});
