import { describe, expect, it } from 'vitest';
import { candidateSettings } from '../../src/composition/line-rules.ts';
import { loadConfig, maskSecrets, type FreshetConfig } from '../../src/config/index.ts';

function load(text: string, env: Record<string, string> = {}): FreshetConfig {
  return loadConfig({ cwd: '/etc', file: '/etc/freshet/freshet.yaml', env, readFile: () => text }).config;
}

describe('the settings under "candidate:"', () => {
  it('are those that are given, without defaults; the rest is as in the main settings', () => {
    const config = load(`
chunker: { maxTokens: 150 }
redaction: { recognisers: { email: false } }
candidate:
  embedder: { maxBatchTokens: 64 }
  redaction: { recognisers: { ip: false } }`);
    expect(config.candidate).toEqual({
      embedder: { maxBatchTokens: 64 },
      redaction: { recognisers: { ip: false } },
    });
    const settings = candidateSettings(config);
    expect(settings?.chunker).toEqual({ maxTokens: 150 });
    expect(settings?.embedder).toEqual({ ...config.embedder, maxBatchTokens: 64 });
    expect(settings?.redaction.recognisers).toEqual({ ...config.redaction.recognisers, ip: false });
    expect(candidateSettings(load('{}'))).toBeUndefined();
  });

  it('of another model do not take over the folder of the main one', () => {
    const config = load(`
embedder: { modelPath: ./main-model }
candidate: { embedder: { model: other } }`);
    expect(config.embedder.modelPath).toBe('/etc/freshet/main-model');
    expect(candidateSettings(config)?.embedder).not.toHaveProperty('modelPath');
    const same = load('embedder: { modelPath: ./main-model }\ncandidate: { chunker: { maxTokens: 100 } }');
    expect(candidateSettings(same)?.embedder).toEqual(same.embedder);
  });

  it('take paths relative to the file, variables, and hide their secrets', () => {
    const config = load(
      'candidate: { embedder: { modelPath: ./other }, redaction: { key: a-key-of-sixteen-letters } }',
      { FRESHET_CANDIDATE__CHUNKER__MAX_TOKENS: '99' },
    );
    expect(config.candidate).toMatchObject({
      embedder: { modelPath: '/etc/freshet/other' },
      chunker: { maxTokens: 99 },
    });
    expect(JSON.stringify(maskSecrets(config))).not.toContain('a-key-of-sixteen-letters');
  });

  it.each([
    ['candidate: {}', 'gives no setting'],
    ['candidate: { chunker: { maxTokens: 5 } }', 'candidate.chunker.maxTokens must be at least 16'],
    ['candidate: { embedder: { engin: hashing } }', 'Did you mean "engine"?'],
    ['candidate: { sources: {} }', 'candidate.sources is not a known key'],
  ])('%s is an error that says what to do', (text, message) => {
    expect(() => load(text)).toThrow(message);
  });
});
