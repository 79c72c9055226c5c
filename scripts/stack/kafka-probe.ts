import { Kafka, logLevel } from 'kafkajs';

/** Whether the cluster has a controller and an unfenced broker. A broker that listens may still be fenced, and then takes no topic. */
export async function answersKafka(brokers: readonly string[]): Promise<boolean> {
  const kafka = new Kafka({
    clientId: 'freshet-stack',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    return cluster.controller !== null && cluster.brokers.length > 0;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
