import type { Head } from '../../domain/document.ts';
import { afterTruncation, type Truncation } from '../../domain/source-position.ts';
import { snapshotVersion, type Version } from '../../domain/version.ts';
import { isTruncated } from '../../domain/visibility.ts';

/**
 * Where a document that is written outside the stream stands: where its head does. One that the index lost, or holds under a truncation
 * although its row exists, takes the lowest place above the truncation, so that any streamed change beats it.
 */
export function visiblePlace(
  head: Head | undefined,
  truncation: Truncation | undefined,
): Pick<Head, 'version' | 'sourcePosition'> {
  if (head !== undefined && !isTruncated(head, truncation)) {
    const { version, sourcePosition } = head;
    return { version, ...(sourcePosition === undefined ? {} : { sourcePosition }) };
  }
  const lowest = snapshotVersion(truncation?.epoch ?? 0);
  return {
    version: Math.max(head?.version ?? lowest, lowest) as Version,
    ...(truncation === undefined ? {} : { sourcePosition: afterTruncation(truncation) }),
  };
}
