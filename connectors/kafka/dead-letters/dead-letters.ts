import { FreshetError, kindOf } from '../../../src/domain/errors.ts';
import type { DocumentId, PartitionId } from '../../../src/domain/ids.ts';
import type { Version } from '../../../src/domain/version.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { DeadLetter, DeadLetters, StoredDeadLetter } from '../../../src/ports/dead-letters.ts';
import { Seal } from '../../../src/runtime/seal.ts';
import { isOlder, isResolvedBy } from './fold.ts';
import { documentIdentity, identityOf, letterRecord, pack, parseLetterId, tombstone, unpack } from './letter.ts';
import type { LetterLog } from './letter-log.ts';
import { RecentlyResolved } from './recently-resolved.ts';
import { LetterView } from './view.ts';
import { LetterWriter } from './writer.ts';

/** Every instance keeps all of them in memory, about 1 KB each. */
const LETTERS_MAX = 100_000;
/** Between looks for what other instances wrote. */
const FOLLOW_MS = 1_000;

export interface KafkaDeadLettersSettings {
  /** For messages. */
  readonly topic: string;
  /** 32 bytes, the same for all instances: each must be able to open the row keys that another one sealed. */
  readonly sealKey: Uint8Array;
  readonly clock: Clock;
  readonly lettersMax?: number;
}

export type KafkaDeadLetters = DeadLetters & AsyncDisposable;

/**
 * Dead letters on a compacted topic that all instances share. Every instance holds all letters in memory; `list`, `get` and
 * `lowestVersions` first read what is new in the topic, `ofDocument` and `count` say what was known a second ago.
 *
 * Resolves when the topic was read to its end. Errors: `transient` while Kafka is away, `fatal` DEAD_LETTERS_FULL above `lettersMax`,
 * `fatal` DEAD_LETTERS_UNREADABLE on somebody else's records.
 */
export async function openKafkaDeadLetters(
  log: LetterLog,
  settings: KafkaDeadLettersSettings,
): Promise<KafkaDeadLetters> {
  const { topic, sealKey, clock, lettersMax = LETTERS_MAX } = settings;
  const seal = new Seal(sealKey, {
    code: 'DEAD_LETTERS_SEAL_KEY',
    wrongKey: 'A dead letter was sealed under another "redaction.key" than this one.',
  });
  const view = new LetterView(log, topic);
  const writer = new LetterWriter(log, view);
  const recently = new RecentlyResolved();
  const closing = new AbortController();

  /** A letter of another key is still a letter: its coordinates are enough for most. */
  const openKey = (sealed: Uint8Array, identity: string): string | undefined => {
    try {
      return seal.open(sealed, identity);
    } catch {
      return undefined;
    }
  };

  const resolve = async (source: string, document: DocumentId, version: Version): Promise<void> => {
    const identity = documentIdentity(source, document);
    if (view.get(identity) === undefined) return;
    await writer.write({
      identity,
      decide: (stored) =>
        stored !== undefined && isResolvedBy(stored, version) ? { record: tombstone(identity, version) } : undefined,
    });
  };

  /** What the others wrote, and what follows from it. */
  const followOnce = async (): Promise<void> => {
    await view.refresh();
    await writer.restoreOverwritten();
    for (const identity of view.fresh) {
      const { source, document } = view.get(identity) ?? {};
      const version =
        source === undefined || document === undefined ? undefined : recently.versionOf(source, document as DocumentId);
      if (version !== undefined) await resolve(source as string, document as DocumentId, version);
      view.looked(identity);
    }
    recently.age();
  };

  const follow = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(FOLLOW_MS, closing.signal);
      await followOnce().catch((error: unknown) => {
        // Whoever asks for letters next is told; nobody asks here.
        if (kindOf(error) === 'aborted') throw error;
      });
    }
  };

  await view.refresh();
  const following = follow().catch(() => undefined);
  let closed: Promise<void> | undefined;

  return {
    async put(letter: DeadLetter) {
      const identity = identityOf(letter);
      await writer.write({
        identity,
        decide(stored) {
          if (stored === undefined && view.size >= lettersMax) throw full(topic, lettersMax);
          const attempts = letter.attempts + (stored?.attempts ?? 0);
          // An older failure that comes late (a replay) counts, but what is to be retried is the newer one.
          const packed =
            stored !== undefined && isOlder(letter, stored)
              ? { ...stored, attempts }
              : pack(letter, identity, stored?.sequence ?? view.nextSequence(clock.now()), attempts, seal);
          return { record: letterRecord(identity, packed), letter: packed };
        },
      });
    },
    async list({ limit, after }) {
      await view.refresh();
      const from = after === undefined ? undefined : parseLetterId(after);
      const page: StoredDeadLetter[] = [];
      for (const [identity, packed] of view.sorted()) {
        if (page.length >= limit) break;
        if (from !== undefined && !isAfter(identity, packed.sequence, from)) continue;
        page.push(unpack(identity, packed, openKey));
      }
      return page;
    },
    async get(id) {
      const parsed = parseLetterId(id);
      if (parsed === undefined) return undefined;
      await view.refresh();
      const packed = view.get(parsed.identity);
      return packed === undefined ? undefined : unpack(parsed.identity, packed, openKey);
    },
    async ofDocument(document: DocumentId) {
      if (view.size === 0) return undefined;
      const found = view.sorted().findLast(([, packed]) => packed.document === document);
      return found === undefined ? undefined : unpack(...found, openKey);
    },
    async lowestVersions() {
      await view.refresh();
      const lowest = new Map<PartitionId, Version>();
      for (const { partition, version } of view.values()) {
        if (version === undefined) continue;
        const known = lowest.get(partition as PartitionId);
        if (known === undefined || version < known) lowest.set(partition as PartitionId, version as Version);
      }
      return lowest;
    },
    async remove(id) {
      const identity = parseLetterId(id)?.identity;
      if (identity === undefined) return;
      await view.refresh();
      await writer.write({
        identity,
        decide: (stored) => (stored === undefined ? undefined : { record: tombstone(identity) }),
      });
    },
    async resolve(source, document, version) {
      // Called for every indexed document: without a letter of it, it must cost nothing.
      recently.note(source, document, version);
      if (view.size > 0) await resolve(source, document, version);
    },
    count: () => Promise.resolve(view.size),
    [Symbol.asyncDispose]() {
      closed ??= (async () => {
        closing.abort();
        await following;
        await writer.idle();
        await log[Symbol.asyncDispose]();
      })();
      return closed;
    },
  };
}

function isAfter(
  identity: string,
  sequence: number,
  from: { readonly sequence: number; readonly identity: string },
): boolean {
  return sequence > from.sequence || (sequence === from.sequence && identity > from.identity);
}

function full(topic: string, lettersMax: number): FreshetError {
  return new FreshetError(
    'DEAD_LETTERS_FULL',
    'fatal',
    `There are ${lettersMax} dead letters in topic ${topic}, as many as an instance keeps in memory. So many have one cause: see them ` +
      'with "freshet dlq", mend it, start again, and retry or remove them.',
    { details: { letters: lettersMax } },
  );
}
