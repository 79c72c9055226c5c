/** An OAuth 2 access token for SASL/OAUTHBEARER, and the key-value pairs of RFC 7628 some brokers want beside it. */
export interface BearerToken {
  readonly value: string;
  readonly extensions?: Readonly<Record<string, string>>;
}

/** Gives a valid token whenever a connection authenticates; caches and refreshes by itself. */
export type BearerTokenProvider = () => Promise<BearerToken>;

export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      readonly username: string;
      readonly password: string;
    }
  | { readonly mechanism: 'oauthbearer'; readonly token: BearerTokenProvider };

/** PEM texts. Without `ca` the certificate authorities of Node.js are trusted. `cert` and `key` together are mutual TLS. */
export interface KafkaTls {
  readonly ca?: string | readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  /** Name the broker's certificate must bear; by default the host that is connected to. */
  readonly servername?: string;
  /** False accepts any certificate: whoever can answer for the broker reads everything. Said aloud at every start. */
  readonly rejectUnauthorized?: boolean;
}

export interface KafkaConnection {
  /** `host:port`; some suffice, the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Appears in the brokers' logs and quotas. Default `freshet`. */
  readonly clientId?: string;
  readonly tls?: KafkaTls;
  readonly sasl?: KafkaSasl;
  /** To establish a connection, and to authenticate on it. */
  readonly connectTimeoutMs?: number;
  /** For one request. */
  readonly requestTimeoutMs?: number;
}
