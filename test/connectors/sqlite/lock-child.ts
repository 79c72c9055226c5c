/** Holds the lock of a data folder until it is killed. Arguments: the folder. */
import { writeSync } from 'node:fs';
import { acquireDataLock } from '../../../connectors/sqlite/lock.ts';

const lock = acquireDataLock(process.argv[2]!);
writeSync(1, 'held\n');
setInterval(() => lock.dataDir, 1_000);
