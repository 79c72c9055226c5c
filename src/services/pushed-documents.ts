import { pushedDocumentId, rowKey, tableId, type TenantId } from '../domain/ids.ts';
import type { Redacted } from '../domain/document.ts';
import type { Redactor } from '../ports/redactor.ts';
import type { PushedRecord } from '../ports/pushed-log.ts';
import type { DocumentService, PushedDocument, PushReceipt } from './services.ts';
import { encodeToken } from './tokens.ts';

/** The part of the pushed-documents source that writes. */
export interface PushedWriter {
  readonly name: string;
  put(
    documents: readonly Redacted<PushedRecord & { readonly sourceVersion?: number }>[],
  ): Promise<readonly PushReceipt[]>;
  delete(id: string, options: { readonly tenant: TenantId; readonly sourceVersion?: number }): Promise<PushReceipt>;
}

/** Redacts before anything is stored: the log of pushed documents holds no text that may not be seen (invariant 6). */
export function createPushedDocuments(
  writer: PushedWriter,
  redactor: Redactor,
): Pick<DocumentService, 'put' | 'delete'> {
  const withToken = (receipt: PushReceipt): PushReceipt => ({
    ...receipt,
    token: encodeToken({ [writer.name]: receipt.token }),
  });
  return {
    put: async (documents) =>
      (await writer.put(documents.map((document) => redactPushed(document, redactor)))).map(withToken),
    delete: async (id, options) => withToken(await writer.delete(id, options)),
  };
}

function redactPushed(
  pushed: PushedDocument,
  redactor: Redactor,
): Redacted<PushedRecord & { readonly sourceVersion?: number }> {
  const { id, tenant, format, sourceVersion } = pushed;
  const { attributes, text } = redactor.redact({
    id: pushedDocumentId(tenant, id),
    table: tableId('push.documents'),
    key: rowKey([tenant, id]),
    attributes: {
      tenant,
      access: pushed.access ?? [],
      title: pushed.title ?? '',
      uri: pushed.uri ?? '',
      metadata: pushed.metadata ?? {},
    },
    text: pushed.text.toWellFormed(),
    format: format ?? 'plain',
  });
  const { access, title, uri, metadata } = attributes;
  const record = { id, tenant, text, access, title, uri, metadata, format: format ?? 'plain', sourceVersion };
  // Every member that can hold text comes from the redactor; ids are the caller's names and are used as they are.
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as unknown as Redacted<
    PushedRecord & { readonly sourceVersion?: number }
  >;
}
