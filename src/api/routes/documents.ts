import { z } from 'zod';
import type { TenantId } from '../../domain/ids.ts';
import type { PushedDocument, PushReceipt } from '../../services/services.ts';
import { callerOf, clientSignal, TOKEN_HEADER, type Api, type RouteContext } from '../app.ts';
import { mayRead, tenantOf, type Caller } from '../auth.ts';
import { defined } from '../defined.ts';
import { problem } from '../problems.ts';
import { documentIdIn, problemResponses, tenantIn } from '../schemas/common.ts';
import { batchIn, batchOut, documentIn, documentOut, receiptOut, statusOut } from '../schemas/documents.ts';
import { documentView, receiptView, statusView } from '../views.ts';

const params = z.object({ id: documentIdIn });
const tags = ['documents'];

const notFound = () => problem('NOT_FOUND', 'No such document is searchable in this tenant.');

function pushed(id: string, tenant: TenantId, body: z.output<typeof documentIn>): PushedDocument {
  return defined({ ...body, id, tenant });
}

/** Several writes, one token: the last one, as the log is one and later writes have later tokens. */
const lastToken = (receipts: readonly PushReceipt[]): string => receipts.at(-1)?.token ?? '';

export function documentRoutes(app: Api, { services, limits, principalId }: RouteContext): void {
  const { documents } = services;

  /** A document the caller may see, or 404: that it exists is already an answer. */
  const visible = async (id: string, tenant: TenantId, caller: Caller, signal: AbortSignal) => {
    const view = await documents.get(id, tenant, signal);
    const principals = caller.principals?.map(principalId);
    return view !== undefined && mayRead(view.attributes.access, principals) ? view : undefined;
  };

  app.get(
    '/v1/documents/:id',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'getDocument',
        tags,
        summary: 'A document as it is searchable now, in chunks',
        params,
        querystring: z.strictObject({ tenant: tenantIn.optional() }),
        response: { 200: documentOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const tenant = tenantOf(caller, request.query.tenant);
      const view = await visible(request.params.id, tenant, caller, clientSignal(reply));
      if (view === undefined) throw notFound();
      return documentView(view);
    },
  );

  app.get(
    '/v1/documents/:id/status',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'getDocumentStatus',
        tags,
        summary: 'Is my edit live? The stage of the last change, with a time per stage',
        params,
        querystring: z.strictObject({ tenant: tenantIn.optional() }),
        response: { 200: statusOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const tenant = tenantOf(caller, request.query.tenant);
      const signal = clientSignal(reply);
      const { id } = request.params;
      // A key bound to principals learns nothing of documents it may not read, nor of ones that are not searchable.
      if (caller.principals !== undefined && (await visible(id, tenant, caller, signal)) === undefined)
        throw notFound();
      return statusView(await documents.status(id, tenant, signal));
    },
  );

  app.put(
    '/v1/documents/:id',
    {
      config: { requires: 'write' },
      schema: {
        operationId: 'putDocument',
        tags,
        summary: 'Store a document; 202 means durable, visible a moment later',
        params,
        body: documentIn,
        response: { 202: receiptOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { tenant: named, ...body } = request.body;
      const document = pushed(request.params.id, tenantOf(callerOf(request), named), body);
      // A write that has begun is finished, whether its client waits for the answer or not.
      const [receipt] = await documents.put([document], neverAborted());
      if (receipt === undefined) throw new Error('The document service answered a put with no receipt.');
      return reply.code(202).header(TOKEN_HEADER, receipt.token).send(receiptView(receipt));
    },
  );

  app.delete(
    '/v1/documents/:id',
    {
      config: { requires: 'write' },
      schema: {
        operationId: 'deleteDocument',
        tags,
        summary: 'Delete a pushed document; 202 means durable, gone a moment later',
        params,
        querystring: z.strictObject({
          tenant: tenantIn.optional(),
          sourceVersion: z.coerce.number().int().min(0).optional(),
        }),
        response: { 202: receiptOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { sourceVersion, tenant: named } = request.query;
      const tenant = tenantOf(callerOf(request), named);
      const receipt = await documents.delete(request.params.id, defined({ tenant, sourceVersion }), neverAborted());
      return reply.code(202).header(TOKEN_HEADER, receipt.token).send(receiptView(receipt));
    },
  );

  app.post(
    '/v1/documents::batch', // Fastify's way to write a literal colon: the path is /v1/documents:batch
    {
      config: { requires: 'write' },
      schema: {
        operationId: 'putDocuments',
        tags,
        summary: 'Store several documents at once',
        body: batchIn(limits),
        response: { 202: batchOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const batch = request.body.documents.map(({ id, tenant, ...body }) => pushed(id, tenantOf(caller, tenant), body));
      const receipts = await documents.put(batch, neverAborted());
      const token = lastToken(receipts);
      return reply
        .code(202)
        .header(TOKEN_HEADER, token)
        .send({ receipts: receipts.map(receiptView), token });
    },
  );
}

const neverAborted = (): AbortSignal => new AbortController().signal;
