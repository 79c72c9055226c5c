import { join } from 'node:path';
import { apicurioRegistry, recentJava } from './artefacts.ts';
import { startComponent, temporaryFolder, type Component } from './component.ts';
import { toStderr, type Report } from './error.ts';
import { JAVA_FLAGS } from './java.ts';
import { freePorts } from './ports.ts';

export interface RegistryOptions {
  readonly report?: Report;
}

export interface Registry extends Component {
  /** Root of the server, without a path. */
  readonly url: string;
  /** Root of the Confluent-compatible API, as clients of a schema registry are given it. */
  readonly confluentUrl: string;
}

/** Apicurio Registry on a database file of its own, so that schemas and their ids outlive a restart. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const { report = toStderr } = options;
  const [java, archive] = await Promise.all([recentJava(report), apicurioRegistry(report)]);
  const folder = temporaryFolder('registry');
  const [port, managementPort] = (await freePorts(2)) as [number, number];
  const url = `http://127.0.0.1:${port}`;
  const confluentUrl = `${url}/apis/ccompat/v7`;
  const settings = {
    'quarkus.http.host': '127.0.0.1',
    'quarkus.http.port': port,
    'quarkus.management.host': '127.0.0.1',
    'quarkus.management.port': managementPort,
    'apicurio.storage.kind': 'sql',
    'apicurio.storage.sql.kind': 'h2',
    // Written at each commit: an id that was given must be known after kill -9.
    'apicurio.datasource.url': `jdbc:h2:file:${join(folder, 'registry')};WRITE_DELAY=0`,
  };
  const component = await startComponent({
    name: 'registry',
    folder,
    command: async () => ({
      command: java,
      args: [
        ...JAVA_FLAGS,
        ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
        '-jar',
        join(archive, 'quarkus-run.jar'),
      ],
    }),
    ready: async () => (await fetch(`${confluentUrl}/subjects`, { signal: AbortSignal.timeout(5_000) })).ok,
    report,
  });
  return Object.assign(component, { url, confluentUrl });
}
