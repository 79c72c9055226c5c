import { describe, expect, it } from 'vitest';
import type { Row } from '../../src/domain/change.ts';
import { rowDocumentId, rowKey } from '../../src/domain/ids.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import { createMapper } from '../../src/ingest/map.ts';
import { MAPPING, TABLE } from '../support/pipeline-kit.ts';

const mapper = createMapper({
  applyColumnPolicy: (row) => row,
  htmlToText: (html) => html,
  hashKey: Buffer.alloc(32, 7),
  maxTextLength: 1_000,
});
const key = rowKey([1]);
const mapped = (row: Row, mapping: Partial<TableMapping>) =>
  mapper.map(row, rowDocumentId('app', TABLE, key), key, { ...MAPPING, ...mapping });

describe('the mapper', () => {
  it('replaces lone surrogates and NUL in every text it takes: lists of metadata and access lists too', () => {
    const odd = 'a\ud800b\0c';
    const clean = 'a\ufffdb\ufffdc';
    const document = mapped(
      { id: 1, title: odd, body: odd, tag: odd, tags: [odd, 'plain'], who: [odd], more: { list: [odd], flag: true } },
      { metadata: { tag: 'tag', tags: 'tags' }, metadataFrom: 'more', access: { column: 'who' } },
    );
    expect(document).toMatchObject({
      text: clean,
      attributes: {
        title: clean,
        access: [clean],
        metadata: { tag: clean, tags: [clean, 'plain'], list: [clean], flag: true },
      },
    });
  });
});
