import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { kafkaJars } from '../../../../scripts/stack/artefacts.ts';
import { JAVA_FLAGS } from '../../../../scripts/stack/java.ts';
import { systemJava } from '../../../../scripts/stack/tools.ts';

/** Sends lines by Kafka's own producer, whose framing of compressed batches is the one that counts. */
export async function produceWithJava(
  brokers: readonly string[],
  topic: string,
  codec: string,
  lines: readonly string[],
): Promise<void> {
  const [java, jars] = await Promise.all([systemJava(), kafkaJars(() => undefined)]);
  const producer = spawn(
    java,
    [
      ...JAVA_FLAGS,
      ...['-cp', join(jars, '*'), 'org.apache.kafka.tools.ConsoleProducer'],
      ...['--bootstrap-server', brokers.join(), '--topic', topic, '--compression-codec', codec],
    ],
    { stdio: ['pipe', 'ignore', 'pipe'] },
  );
  let said = '';
  producer.stderr.on('data', (chunk) => (said += String(chunk)));
  producer.stdin.end(`${lines.join('\n')}\n`);
  const [code] = (await once(producer, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the console producer failed (${code}): ${said.slice(-500)}`);
}
