/** The product in a process of its own, as `freshet start` runs it, told what to do by the bench (see messages.ts). */
import { openEmbedding } from '../../src/composition/embedding.ts';
import type { Freshet } from '../../src/composition/open.ts';
import { serve } from '../../src/composition/serve.ts';
import type { Redacted } from '../../src/domain/document.ts';
import type { FreshetEvent } from '../../src/observability/events.ts';
import { revisionIn, TENANT } from './corpus.ts';
import type { FromChild, ProductStart, ToChild, Usage } from './messages.ts';
import { benchLogger, openProduct, productConfig, untilReady } from './product.ts';
import { monotonicMs } from './statistics.ts';
import { syntheticEmbedding } from './synthetic-embedder.ts';

const never = new AbortController().signal;
const say = (message: FromChild): void => void process.send?.(message);
let freshet: Freshet | undefined;
let close: () => Promise<void> = () => Promise.resolve();

/** The product's own word is not taken for it: the document is read back, and the time is that of the answer. */
async function sawVisible(event: Extract<FreshetEvent, { readonly chunksEmbedded: number }>): Promise<void> {
  const view = await freshet?.services.documents.get(event.document, TENANT, never);
  const revision = Math.max(0, ...(view?.chunks ?? []).map(({ text }) => revisionIn(text)));
  const { committed, received, redacted = Number.NaN, embedded = Number.NaN, visible = Number.NaN } = event.times;
  say({
    type: 'visible',
    document: event.document,
    revision,
    at: monotonicMs(),
    own: {
      receivedMs: received - committed,
      redactedMs: redacted - committed,
      embeddedMs: embedded - committed,
      visibleMs: visible - committed,
    },
    chunksEmbedded: event.chunksEmbedded,
  });
}

function failed(error: unknown): void {
  say({ type: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

async function start(options: ProductStart): Promise<void> {
  const config = productConfig(options);
  const observer = {
    emit(event: FreshetEvent): void {
      if (event.type === 'document-visible' && !event.snapshot) void sawVisible(event).catch(failed);
      if (event.type === 'dead-lettered') failed(new Error(`dead letter at ${event.stage}: ${event.code}`));
    },
  };
  freshet = await openProduct(
    config,
    observer,
    process.env,
    options.embedder === 'synthetic' ? () => Promise.resolve(syntheticEmbedding()) : openEmbedding,
  );
  freshet.failed.catch(failed);
  const served = await serve(freshet, config, {
    logger: benchLogger,
    version: 'bench',
    portIsWanted: true,
    say: () => undefined,
  });
  close = async () => {
    await served.close();
    await freshet?.close();
  };
  say({ type: 'listening', api: served.api });
  await untilReady(freshet);
  say({ type: 'ready', at: monotonicMs() });
}

async function embedAlone(text: string): Promise<number> {
  const started = monotonicMs();
  await freshet?.embedding.embedder.embed([text as Redacted<string>], 'document', never);
  return monotonicMs() - started;
}

async function usage(): Promise<Usage> {
  const { user, system } = process.cpuUsage();
  const report = await freshet?.services.freshness.report(never);
  return {
    rssBytes: process.memoryUsage.rss(),
    cpuMs: (user + system) / 1000,
    chunks: report?.index.chunks ?? 0,
  };
}

process.on('message', (message: ToChild) => {
  const answer = async (call: number, value: Promise<unknown>): Promise<void> =>
    say({ type: 'answer', call, value: await value });
  switch (message.type) {
    case 'start':
      start(message as ProductStart).catch(failed);
      return;
    case 'embed':
      answer(message.call, embedAlone(message.text)).catch(failed);
      return;
    case 'usage':
      answer(message.call, usage()).catch(failed);
      return;
    case 'stop':
      close().then(() => process.exit(0), failed);
      return;
    case 'memory-loop':
      failed(new Error('The product has no memory loop.'));
  }
});
// Whoever started it is gone: nothing may be left running.
process.on('disconnect', () => void close().finally(() => process.exit(1)));
