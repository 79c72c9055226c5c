import pg from 'pg';
import { inspectModelFolder } from '../../connectors/transformers/model-folder.ts';
import { readCached } from '../../connectors/transformers/acquire/cache.ts';
import { KNOWN_MODEL } from '../../connectors/transformers/known-model.ts';
import type { DoctorCheck } from '../cli/deps.ts';
import type { FreshetConfig, PostgresSourceConfig } from '../config/index.ts';
import { deadLetterChecks, kafkaChecks } from './doctor-kafka.ts';
import { indexChecks } from './doctor-qdrant.ts';
import { defaultCacheDir } from './embedding.ts';
import { candidateSettings } from './line-rules.ts';
import { checkMappings, describeUnknown } from './mapping-check.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What `freshet doctor` looks at beyond this machine's Node, disk and port. */
export function doctorChecks(config: FreshetConfig, env: Environment): readonly DoctorCheck[] {
  return [
    modelCheck('model', config.embedder, env),
    ...candidateChecks(config, env),
    ...indexChecks(config),
    ...Object.entries(config.sources).flatMap(([name, source]) => {
      if (source.type === 'kafka') return kafkaChecks(name, source, config);
      return source.type === 'postgres' ? [postgresCheck(name, source)] : [];
    }),
    ...deadLetterChecks(config),
  ];
}

/** One of the main model says the same. */
function candidateChecks(config: FreshetConfig, env: Environment): readonly DoctorCheck[] {
  const { embedder } = candidateSettings(config) ?? config;
  return config.candidate?.embedder === undefined ? [] : [modelCheck('candidate’s model', embedder, env)];
}

function modelCheck(name: string, embedder: FreshetConfig['embedder'], env: Environment): DoctorCheck {
  return {
    name,
    async run() {
      if (embedder.engine === 'hashing') {
        return {
          status: 'warn',
          detail: 'hashing: search finds words, not meanings',
          mend: 'Set embedder.engine to transformers.',
        };
      }
      if (embedder.modelPath !== undefined) {
        const model = await inspectModelFolder(embedder.modelPath);
        return { status: 'ok', detail: `${model.name}, ${model.dimensions} dimensions, in ${embedder.modelPath}` };
      }
      const cached = await readCached(embedder.cacheDir ?? defaultCacheDir(env), KNOWN_MODEL);
      if (typeof cached === 'object')
        return { status: 'ok', detail: `${cached.name}, ${cached.dimensions} dimensions, in the cache` };
      return {
        status: 'warn',
        detail: `${KNOWN_MODEL.name} is not in the cache: the first start fetches it (90 MB)`,
        mend: 'Nothing, if this machine reaches the hub or PyPI; else give a folder with --model-path.',
      };
    },
  };
}

function postgresCheck(name: string, source: PostgresSourceConfig): DoctorCheck {
  const connectionString = source.connection;
  return {
    name: `source ${name}`,
    async run() {
      const client = new pg.Client({
        connectionString,
        connectionTimeoutMillis: 5_000,
        application_name: 'freshet doctor',
      });
      try {
        await client.connect();
        const { rows } = await client.query<{ level: string; version: string; replication: boolean }>(
          `SELECT current_setting('wal_level') AS level, current_setting('server_version') AS version,
                  (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS replication`,
        );
        const [facts] = rows;
        if (facts?.level !== 'logical') {
          return {
            status: 'fail',
            detail: `wal_level is ${facts?.level ?? 'unknown'}, not logical`,
            mend: "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.",
          };
        }
        if (!facts.replication) {
          return { status: 'fail', detail: 'the user may not replicate', mend: 'ALTER ROLE <user> REPLICATION;' };
        }
        const unknown = await checkMappings(name, source, client);
        if (unknown.length > 0) {
          return {
            status: 'fail',
            detail: unknown.map(describeUnknown).join(' '),
            mend: `Compare sources.${name}.tables with the tables.`,
          };
        }
        return { status: 'ok', detail: `PostgreSQL ${facts.version}, wal_level logical` };
      } catch (error) {
        const { code } = error as { code?: string };
        return {
          status: 'fail',
          detail: /^(28|3D)/.test(code ?? '')
            ? `answers, but refuses the login (SQLSTATE ${code}): ${(error as Error).message}`
            : `cannot be reached (${code ?? 'no answer'})`,
          mend: `Check sources.${name}.connection.`,
        };
      } finally {
        await client.end().catch(() => undefined);
      }
    },
  };
}
