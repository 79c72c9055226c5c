import { describe, expect, it } from 'vitest';
import { DEFAULT_TENANT, tenantId } from '../../src/domain/ids.ts';
import { createChangeFeed } from '../../src/observability/change-feed.ts';
import { createDocumentService } from '../../src/services/documents.ts';
import type { DocumentService } from '../../src/services/services.ts';
import { createPipelineKit, idOf, type PipelineKit } from '../support/pipeline-kit.ts';

const refuse = (): never => {
  throw new Error('not asked for here');
};

function serviceOf({ index, deadLetters }: PipelineKit): DocumentService {
  const feed = createChangeFeed({ now: Date.now, describe: () => Promise.resolve(undefined) });
  return createDocumentService({ index, feed, deadLetters, put: refuse, delete: refuse });
}

describe('the status of a document', () => {
  it('is deleted at once when its table was truncated, and unknown to another tenant', async () => {
    const kit = createPipelineKit();
    const running = kit.run();
    const documents = serviceOf(kit);
    kit.write(1, { body: 'Here for now.' });
    await kit.quiet();
    expect(await documents.status(idOf(1), DEFAULT_TENANT, kit.signal)).toMatchObject({ state: 'visible' });
    expect(await documents.status(idOf(1), tenantId('other'), kit.signal)).toMatchObject({ state: 'unknown' });
    kit.truncate();
    await kit.quiet();
    expect(await documents.status(idOf(1), DEFAULT_TENANT, kit.signal)).toMatchObject({ state: 'deleted' });
    kit.stop();
    await running;
    await kit.close();
  });
});
