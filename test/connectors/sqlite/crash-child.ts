/**
 * Writes edits and checkpoints without end and says on stdout which were acknowledged, until it is killed.
 * Arguments: path of the index file.
 */
import { writeSync } from 'node:fs';
import { openSqliteIndex } from '../../../connectors/sqlite/index.ts';
import { documentId, DIMENSIONS, never, write } from '../../contracts/index-fixtures.ts';

const index = await openSqliteIndex({
  path: process.argv[2]!,
  dimensions: DIMENSIONS,
  embedderFingerprint: 'test-embedder',
});
const names = Array.from({ length: 8 }, (_, at) => `d${at}`);
const heads = await index.heads(names.map(documentId), never);

/** Each version keeps one chunk and replaces two; every tenth is a delete. */
async function edit(name: string): Promise<void> {
  let alive = heads.get(documentId(name))?.deleted === false;
  for (let version = (heads.get(documentId(name))?.version ?? 0) + 1; ; version++) {
    const deleted = version % 10 === 0;
    const chunks = deleted ? [] : ['kept', `first of ${version}`, `second of ${version}`];
    const applied = index.apply(write(name, { version, chunks, deleted, keep: alive ? ['kept'] : [] }), never);
    const saved = index.save(name, { version });
    await Promise.all([applied, saved]);
    alive = !deleted;
    writeSync(1, `${name} ${version}\n`);
  }
}

await Promise.all(names.map(edit));
