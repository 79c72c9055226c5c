import type { Checkpoints } from '../ports/checkpoints.ts';

/**
 * Checkpoints that count only for the settings they were made under: after a change of mapping, redaction, chunker or embedder the source
 * starts from the beginning, and the new generation replaces what is stored at the same versions.
 */
export function fingerprintedCheckpoints(checkpoints: Checkpoints, fingerprint: string): Checkpoints {
  return {
    async load(source) {
      const stored = (await checkpoints.load(source)) as { fingerprint?: string; state?: unknown } | undefined;
      return stored?.fingerprint === fingerprint ? stored.state : undefined;
    },
    save: (source, state) => checkpoints.save(source, { fingerprint, state }),
  };
}
