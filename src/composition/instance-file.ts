import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isoInstant } from '../domain/time.ts';

export interface InstanceFacts {
  readonly api: string;
  readonly adminToken: string;
  /** Connection URL of the PostgreSQL that the instance runs itself. Holds its password. */
  readonly postgres?: string;
  readonly demo: boolean;
}

/** Says where the instance that owns a data folder answers, for the CLI and scripts; removed on an orderly stop. */
export function writeInstanceFiles(dataDir: string, facts: InstanceFacts, now: number): () => void {
  const { api, adminToken, postgres, demo: isDemo } = facts;
  const { pid } = process;
  const instance = join(dataDir, 'instance.json');
  const demo = join(dataDir, 'demo.json');
  writeJson(instance, {
    api,
    pid,
    adminToken,
    startedAt: isoInstant(now),
    ...(postgres === undefined ? {} : { postgres }),
  });
  if (isDemo && postgres !== undefined) writeJson(demo, { api, postgres, pid });
  return () => {
    for (const file of [instance, demo]) rmSync(file, { force: true });
  };
}

/** Only this user may read them: they hold secrets. */
function writeJson(file: string, value: unknown): void {
  rmSync(file, { force: true });
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}
