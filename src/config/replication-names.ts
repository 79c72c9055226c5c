import type { SourceConfig } from './schema-sources.ts';

/** PostgreSQL cuts longer names, and a slot's is refused. */
const NAME_MAX = 63;

/**
 * Names of the slot and the publication as configured, else derived from the source's name.
 * @param suffix of the index they feed, where an instance has several: each has a slot of its own
 */
export function replicationNames(
  source: string,
  config: { readonly slot?: string; readonly publication?: string },
  suffix = '',
): { readonly slot: string; readonly publication: string } {
  const derived = `freshet_${source.replace(/[^a-z0-9_]/g, '_')}`;
  const named = (name: string): string => name.slice(0, NAME_MAX - suffix.length) + suffix;
  return { slot: named(config.slot ?? derived), publication: named(config.publication ?? derived) };
}

/** Two sources that would read one slot, or one publication of a database: each would take the other's changes, or its tables. */
export interface ReplicationConflict {
  readonly source: string;
  readonly setting: 'slot' | 'publication';
  /** To be read after the setting's path. */
  readonly message: string;
}

interface Claim {
  readonly source: string;
  readonly name: string;
  readonly isDerived: boolean;
  /** Where the name must be its own: a slot on its server, a publication in its database. */
  readonly scope: string | undefined;
}

/** Slots are one list per server, publications one per database. Derived names must differ everywhere: one address has many spellings. */
export function replicationConflicts(sources: Readonly<Record<string, SourceConfig>>): readonly ReplicationConflict[] {
  const replicated = Object.entries(sources).flatMap(([source, config]) =>
    config.type === 'files' || config.type === 'kafka'
      ? []
      : [{ source, config, names: replicationNames(source, config), at: addressOf(config) }],
  );
  const claims = (setting: 'slot' | 'publication'): readonly Claim[] =>
    replicated.map(({ source, config, names, at }) => ({
      source,
      name: names[setting],
      isDerived: config[setting] === undefined,
      scope: setting === 'slot' ? at?.server : at?.database,
    }));
  const slots = conflictsAmong('slot', claims('slot'));
  const known = new Set(slots.map(({ source }) => source));
  // A slot of its own is asked for first; the publication's derived name differs with it or is found by its database.
  const publications = conflictsAmong('publication', claims('publication')).filter(({ source }) => !known.has(source));
  return [...slots, ...publications];
}

function conflictsAmong(setting: 'slot' | 'publication', claims: readonly Claim[]): readonly ReplicationConflict[] {
  return claims.flatMap((claim, at) => {
    const first = claims
      .slice(0, at)
      .find(
        (other) =>
          other.name === claim.name &&
          ((setting === 'slot' && other.isDerived && claim.isDerived) ||
            (other.scope !== undefined && other.scope === claim.scope)),
      );
    if (first === undefined) return [];
    const why = claim.isDerived ? ` (the default: "-" and "_" of a source's name are the same in it)` : '';
    return [
      {
        source: claim.source,
        setting,
        message: `is "${claim.name}"${why}, which source "${first.source}" uses already. Give one of them another ${setting}.`,
      },
    ];
  });
}

function addressOf(
  config: Extract<SourceConfig, { readonly type: 'postgres' | 'embedded-postgres' }>,
): { readonly server: string; readonly database: string } | undefined {
  if (config.type === 'embedded-postgres') return { server: 'embedded', database: 'embedded' };
  try {
    const { hostname, port, pathname, username } = new URL(config.connection);
    const server = `${hostname.toLowerCase()}:${port === '' ? '5432' : port}`;
    return { server, database: `${server}/${pathname.slice(1) || username}` };
  } catch {
    // An address of several hosts or a socket: the server itself says so when a slot is in use.
    return undefined;
  }
}
