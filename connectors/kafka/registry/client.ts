import { abortedError, FreshetError } from '../../../src/domain/errors.ts';
import { createGet, type Answer, type Get, type RegistryTls } from './http-get.ts';

export type { RegistryTls } from './http-get.ts';

export interface SchemaRegistryOptions {
  /** Where the Confluent-compatible API begins: `http://registry:8081`, or `http://apicurio:8080/apis/ccompat/v7`. */
  readonly url: string;
  readonly auth?:
    | { readonly kind: 'basic'; readonly username: string; readonly password: string }
    | { readonly kind: 'bearer'; readonly token: string | (() => Promise<string>) };
  readonly tls?: RegistryTls;
  /** Of one request. */
  readonly timeoutMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly monotonic?: () => number;
}

/** A schema as it was registered, with everything it refers to, innermost first. */
export interface RegisteredSchema {
  readonly id: number;
  readonly schema: unknown;
  readonly references: readonly unknown[];
}

/**
 * Schemas by id. An id means the same schema for ever, so what was read once is kept: as long as topics use schemas already seen, the
 * registry may be away.
 */
export interface SchemaRegistry extends AsyncDisposable {
  /** Base URL without credentials, for messages. */
  readonly place: string;
  /**
   * Not a promise when the schema is known already.
   * @throws transient REGISTRY_UNAVAILABLE, poison SCHEMA_UNKNOWN and SCHEMA_UNSUPPORTED, fatal REGISTRY_REFUSED and REGISTRY_NOT_THERE
   */
  schema(id: number, signal: AbortSignal): RegisteredSchema | Promise<RegisteredSchema>;
}

const TIMEOUT_MS = 10_000;
/** How long an unknown id stays unknown without asking again: a topic full of such records must not flood the registry. */
const UNKNOWN_MS = 5_000;
const SCHEMAS_MAX = 2_000;
const REFERENCES_MAX = 200;

interface SchemaAnswer {
  readonly schema: unknown;
  readonly references: readonly { readonly subject: string; readonly version: number }[];
}

export function createSchemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  return new CachingRegistry(options);
}

class CachingRegistry implements SchemaRegistry {
  readonly place: string;
  readonly #base: URL;
  readonly #auth: SchemaRegistryOptions['auth'];
  readonly #get: Get;
  readonly #monotonic: () => number;
  readonly #known = new Map<number, RegisteredSchema>();
  readonly #unknown = new Map<number, number>();
  readonly #asked = new Map<number, Promise<RegisteredSchema>>();
  readonly #closing = new AbortController();

  constructor({ url, auth, tls, timeoutMs = TIMEOUT_MS, monotonic = () => performance.now() }: SchemaRegistryOptions) {
    this.#base = new URL(url.endsWith('/') ? url : `${url}/`);
    // Credentials in the URL work as they do for curl, and are said nowhere.
    this.#auth = auth ?? credentialsOf(this.#base);
    this.#base.username = '';
    this.#base.password = '';
    this.place = `${this.#base.origin}${this.#base.pathname}`.replace(/\/$/, '');
    this.#get = createGet(tls, timeoutMs);
    this.#monotonic = monotonic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#get[Symbol.asyncDispose]();
  }

  schema(id: number, signal: AbortSignal): RegisteredSchema | Promise<RegisteredSchema> {
    return this.#known.get(id) ?? this.#ask(id, signal);
  }

  /** One request however many partitions wait for it; a waiter that gives up does not take it from the others. */
  async #ask(id: number, signal: AbortSignal): Promise<RegisteredSchema> {
    const unknownSince = this.#unknown.get(id);
    if (unknownSince !== undefined && this.#monotonic() - unknownSince < UNKNOWN_MS) throw this.#unknownSchema(id);
    let asked = this.#asked.get(id);
    if (asked === undefined) {
      asked = this.#read(id).finally(() => this.#asked.delete(id));
      // Whoever waits hears of it; nobody may be left.
      asked.catch(() => undefined);
      this.#asked.set(id, asked);
    }
    return unlessAborted(asked, signal);
  }

  async #read(id: number): Promise<RegisteredSchema> {
    const answer = await this.#fetch(`schemas/ids/${id}`);
    if (answer === 'unknown') {
      remember(this.#unknown, id, this.#monotonic());
      throw this.#unknownSchema(id);
    }
    const registered = { id, schema: answer.schema, references: await this.#references(id, answer) };
    remember(this.#known, id, registered);
    return registered;
  }

  /** Depth first, each once: a schema stands after all that it names. */
  async #references(id: number, top: SchemaAnswer): Promise<readonly unknown[]> {
    const seen = new Set<string>();
    const schemas: unknown[] = [];
    const visit = async (answer: SchemaAnswer): Promise<void> => {
      for (const { subject, version } of answer.references) {
        const path = `subjects/${encodeURIComponent(subject)}/versions/${version}`;
        if (seen.has(path)) continue;
        seen.add(path);
        const referred = seen.size > REFERENCES_MAX ? 'unknown' : await this.#fetch(path);
        if (referred === 'unknown') {
          throw new FreshetError(
            'SCHEMA_UNKNOWN',
            'poison',
            `Schema ${id} at ${this.place} refers to a schema that the registry does not have, or to more than ${REFERENCES_MAX}. ` +
              'Register what it refers to; then "freshet dlq retry all".',
            { details: { schema: id } },
          );
        }
        await visit(referred);
        schemas.push(referred.schema);
      }
    };
    await visit(top);
    return schemas;
  }

  async #fetch(path: string): Promise<SchemaAnswer | 'unknown'> {
    const answer = await this.#request(path);
    const { status } = answer;
    if (status === 200) return this.#parse(answer.body, path);
    // Confluent's error codes have five digits where the *thing* is missing (40401 … 40403), and are 404 where the page is.
    if (status === 404 && errorCode(answer.body) >= 40_400) return 'unknown';
    if (status === 401 || status === 403) {
      throw new FreshetError(
        'REGISTRY_REFUSED',
        'fatal',
        `The schema registry at ${this.place} refuses this client (HTTP ${status}). Mend its credentials and start again.`,
        { details: { status } },
      );
    }
    if (status === 408 || status === 429 || status >= 500)
      throw this.#unavailable(`it answers HTTP ${status}`, { status });
    throw this.#notThere(`HTTP ${status}`, status);
  }

  async #request(path: string): Promise<Answer> {
    const headers = {
      accept: 'application/vnd.schemaregistry.v1+json, application/json',
      ...(await this.#authorization()),
    };
    try {
      return await this.#get(new URL(path, this.#base), headers, this.#closing.signal);
    } catch (error) {
      if (this.#closing.signal.aborted) throw abortedError(this.#closing.signal);
      const { name, code } = error as { readonly name?: string; readonly code?: string };
      throw this.#unavailable(
        name === 'TimeoutError' ? 'it does not answer in time' : (code ?? 'the connection failed'),
      );
    }
  }

  async #authorization(): Promise<Record<string, string>> {
    const auth = this.#auth;
    if (auth === undefined) return {};
    if (auth.kind === 'bearer') {
      try {
        return { authorization: `Bearer ${typeof auth.token === 'string' ? auth.token : await auth.token()}` };
      } catch (error) {
        if (error instanceof FreshetError) throw error;
        throw this.#unavailable('no token could be had for it');
      }
    }
    return { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}` };
  }

  #parse(body: string, path: string): SchemaAnswer {
    const answer = parseJson(body) as
      | { readonly schema?: unknown; readonly schemaType?: unknown; readonly references?: unknown }
      | undefined;
    if (typeof answer?.schema !== 'string') throw this.#notThere('no schema in its answer', 200);
    const type = answer.schemaType ?? 'AVRO';
    // A primitive type may be registered as its bare name, without quotes.
    const schema =
      type === 'AVRO'
        ? (parseJson(answer.schema) ?? (/^\w+$/.test(answer.schema) ? answer.schema : undefined))
        : undefined;
    if (schema === undefined) {
      throw new FreshetError(
        'SCHEMA_UNSUPPORTED',
        'poison',
        `${path} at ${this.place} is not an Avro schema. Set the connector's converters to Avro or JSON; ` +
          'then "freshet dlq retry all" once the records were sent again.',
      );
    }
    return { schema, references: Array.isArray(answer.references) ? answer.references.flatMap(referenceOf) : [] };
  }

  #unknownSchema(id: number): FreshetError {
    return new FreshetError(
      'SCHEMA_UNKNOWN',
      'poison',
      `The schema registry at ${this.place} has no schema ${id}, which a record names. If it was deleted or the registry restored, ` +
        'register it again under its id; then "freshet dlq retry all".',
      { details: { schema: id } },
    );
  }

  #unavailable(why: string, details: Readonly<Record<string, number>> = {}): FreshetError {
    return new FreshetError(
      'REGISTRY_UNAVAILABLE',
      'transient',
      `The schema registry at ${this.place} cannot be asked: ${why}. Records wait until it can.`,
      { details },
    );
  }

  #notThere(why: string, status: number): FreshetError {
    return new FreshetError(
      'REGISTRY_NOT_THERE',
      'fatal',
      `What answers at ${this.place} is no Confluent-compatible schema registry (${why}). Give the URL its API begins at, ` +
        'for Apicurio with /apis/ccompat/v7.',
      { details: { status } },
    );
  }
}

function credentialsOf({ username, password }: URL): SchemaRegistryOptions['auth'] {
  if (username === '') return undefined;
  return { kind: 'basic', username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

function referenceOf(reference: unknown): SchemaAnswer['references'] {
  const { subject, version } = reference as { readonly subject?: unknown; readonly version?: unknown };
  return typeof subject === 'string' && typeof version === 'number' ? [{ subject, version }] : [];
}

function errorCode(body: string): number {
  const { error_code: code } = (parseJson(body) ?? {}) as { readonly error_code?: unknown };
  return typeof code === 'number' ? code : 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Keeps the newest. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > SCHEMAS_MAX ? map.keys().next() : undefined;
  if (oldest !== undefined && oldest.done !== true) map.delete(oldest.value);
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(abortedError(signal));
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortedError(signal));
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
