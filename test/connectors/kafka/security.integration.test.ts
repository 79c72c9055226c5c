import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KafkaConnection } from '../../../connectors/kafka/client/connection.ts';
import { startKafka, type Kafka } from '../../../scripts/stack/kafka.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { consume } from './support/consumer.ts';
import { openWorld, unique, type RealWorld } from './support/real.ts';

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A CA, and a certificate of it for `localhost` and for a client, as PEM texts. */
function makeCertificates(): Readonly<Record<'ca' | 'cert' | 'key', string>> {
  const folder = mkdtempSync(join(tmpdir(), 'freshet-tls-'));
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  try {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=test-ca',
    );
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'key.pem',
      '-out',
      'csr.pem',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      'csr.pem',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      'cert.pem',
      '-days',
      '2',
      '-copy_extensions',
      'copy',
    );
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
    return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const oneLine = (pem: string): string => pem.trim().replaceAll('\n', ' ');

describe('a Kafka source on brokers that ask who it is', () => {
  let kafka: Kafka;
  let world: RealWorld;
  const pem = makeCertificates();
  beforeAll(async () => {
    kafka = await startKafka({
      listeners: { SASL: 'SASL_PLAINTEXT', MTLS: 'SSL' },
      scram: ['SCRAM-SHA-512=[name=ann,password=secret]', 'SCRAM-SHA-256=[name=ann,password=secret]'],
      properties: {
        'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
        'listener.name.sasl.plain.sasl.jaas.config':
          'org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="secret";',
        'listener.name.sasl.scram-sha-256.sasl.jaas.config':
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        'listener.name.sasl.scram-sha-512.sasl.jaas.config':
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        'listener.name.sasl.oauthbearer.sasl.jaas.config':
          'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
        'listener.name.mtls.ssl.client.auth': 'required',
        'listener.name.mtls.ssl.keystore.type': 'PEM',
        'listener.name.mtls.ssl.keystore.certificate.chain': oneLine(pem.cert),
        'listener.name.mtls.ssl.keystore.key': oneLine(pem.key),
        'listener.name.mtls.ssl.truststore.type': 'PEM',
        'listener.name.mtls.ssl.truststore.certificates': oneLine(pem.ca),
      },
    });
    world = await openWorld(kafka.brokers);
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await kafka[Symbol.asyncDispose]();
  });

  const reads = async (connection: KafkaConnection): Promise<void> => {
    const topic = await world.topic(1);
    await world.write(topic, 1, { text: 'for ann' });
    const consumer = consume(world.source({ topics: [topic], groupId: unique('group'), connection }));
    await consumer.until(() => consumer.texts().includes('for ann'));
    expect(await consumer.stop()).toBeUndefined();
  };
  const sasl = (): readonly string[] => [kafka.address('SASL')];

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('reads by SASL %s', (mechanism) =>
    reads({ brokers: sasl(), sasl: { mechanism, username: 'ann', password: 'secret' } }),
  );

  it('reads by SASL OAUTHBEARER with the token its provider gives', () => {
    const seconds = Math.floor(Date.now() / 1_000);
    const value = `${base64url({ alg: 'none' })}.${base64url({ sub: 'ann', iat: seconds, exp: seconds + 600 })}.`;
    return reads({ brokers: sasl(), sasl: { mechanism: 'oauthbearer', token: async () => ({ value }) } });
  });

  it('stops on a wrong password, and says where to look', async () => {
    const connection = { brokers: sasl(), sasl: { mechanism: 'plain', username: 'ann', password: 'guess' } } as const;
    const consumer = consume(world.source({ topics: ['any'], groupId: unique('group'), connection }));
    const error = await consumer.done;
    expect(error).toBeInstanceOf(FreshetError);
    expect(error).toMatchObject({ code: 'KAFKA_ACCESS_DENIED', kind: 'fatal' });
    expect(String(error)).not.toContain('guess');
    await consumer.stop();
  });

  it('reads over mutual TLS, and trusts nobody it was not told to', async () => {
    // The advertised address is an IP; the certificate names a host.
    const brokers = [kafka.address('MTLS')];
    const tls = { ca: pem.ca, cert: pem.cert, key: pem.key, servername: 'localhost' };
    await reads({ brokers, tls });
    const { ca: _, ...untrusting } = tls;
    const source = world.source({
      topics: ['any'],
      groupId: unique('group'),
      connection: { brokers, tls: untrusting },
    });
    await expect(source.currentToken(new AbortController().signal)).rejects.toMatchObject({ kind: 'transient' });
    await source[Symbol.asyncDispose]();
  });
});
