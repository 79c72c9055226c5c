import type { OpenAPIV3_1 } from 'openapi-types';

/** What the document says besides the routes; those come from their schemas. */
export function openApiInfo(version: string, hasKeys: boolean): Partial<OpenAPIV3_1.Document> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Freshet',
      version,
      description:
        'A live index: changes of the source are searchable a moment later. Writes and reads carry a consistency token in the header ' +
        '`freshet-token`; a search with it sees at least that state, or says `freshness.tokenReached: false`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: [
      { name: 'search', description: 'Find' },
      { name: 'documents', description: 'Documents pushed without a database, and the state of any document' },
      { name: 'changes', description: 'What changed, live' },
      { name: 'freshness', description: 'How fresh the index is' },
      { name: 'admin', description: 'Verify, rebuild, replay, dead letters' },
      { name: 'health', description: 'For orchestrators and Prometheus' },
    ],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
    // On loopback without keys nobody needs one.
    security: hasKeys ? [{ bearer: [] }, { apiKey: [] }] : [{}, { bearer: [] }, { apiKey: [] }],
  };
}

/**
 * Drops component schemas nothing refers to: the generator makes an input and an output form of each, and most are used as one of them.
 */
export function withoutUnusedSchemas(document: Partial<OpenAPIV3_1.Document>): Partial<OpenAPIV3_1.Document> {
  const schemas = document.components?.schemas ?? {};
  const used = new Set<string>();
  const collect = (value: unknown): void => {
    for (const [, name] of JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/([^"]+)"/gu)) {
      if (name === undefined || used.has(name)) continue;
      used.add(name);
      collect(schemas[name]);
    }
  };
  collect(document.paths);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...document.components, schemas: kept } };
}
