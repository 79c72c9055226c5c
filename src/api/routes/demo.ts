import { z } from 'zod';
import { clientSignal, TOKEN_HEADER, type Api } from '../app.ts';
import type { DemoPort, DemoWrite } from '../demo-port.ts';
import { problem } from '../problems.ts';
import { problemResponses } from '../schemas/common.ts';
import { articleIn, articleOut, articlesOut, writeOut } from '../schemas/demo.ts';

const params = z.object({ id: z.string().min(1).max(128) });
const tags = ['demo'];
const notFound = () => problem('NOT_FOUND', 'No such article in the demo’s database.');

function present<T>(value: T | undefined): T {
  if (value === undefined) throw notFound();
  return value;
}

/** The demo's own database behind the page's editor. Registered only when there is one. */
export function demoRoutes(app: Api, demo: DemoPort): void {
  const written = { ...problemResponses, 200: writeOut };
  const view = (write: DemoWrite) => ({ id: write.id, documentId: write.documentId, token: write.token });

  app.get(
    '/demo/articles',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'demoListArticles',
        tags,
        summary: 'Rows of the articles table',
        response: { 200: articlesOut, ...problemResponses },
      },
    },
    async (_request, reply) => ({ data: [...(await demo.listArticles(clientSignal(reply)))] }),
  );

  app.post(
    '/demo/articles',
    {
      config: { requires: 'write' },
      schema: {
        operationId: 'demoCreateArticle',
        tags,
        summary: 'INSERT',
        body: articleIn,
        response: { 201: writeOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const write = await demo.createArticle(request.body, clientSignal(reply));
      return reply.code(201).header(TOKEN_HEADER, write.token).send(view(write));
    },
  );

  app.get(
    '/demo/articles/:id',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'demoGetArticle',
        tags,
        summary: 'One row',
        params,
        response: { 200: articleOut, ...problemResponses },
      },
    },
    async (request, reply) => present(await demo.getArticle(request.params.id, clientSignal(reply))),
  );

  app.put(
    '/demo/articles/:id',
    {
      config: { requires: 'write' },
      schema: { operationId: 'demoSaveArticle', tags, summary: 'UPDATE', params, body: articleIn, response: written },
    },
    async (request, reply) => {
      const write = present(await demo.saveArticle(request.params.id, request.body, clientSignal(reply)));
      void reply.header(TOKEN_HEADER, write.token);
      return view(write);
    },
  );

  app.delete(
    '/demo/articles/:id',
    {
      config: { requires: 'write' },
      schema: { operationId: 'demoDeleteArticle', tags, summary: 'DELETE', params, response: written },
    },
    async (request, reply) => {
      const write = present(await demo.deleteArticle(request.params.id, clientSignal(reply)));
      void reply.header(TOKEN_HEADER, write.token);
      return view(write);
    },
  );
}
