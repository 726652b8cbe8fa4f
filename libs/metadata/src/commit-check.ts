/**
 * What every provider checks of a commit before it decides or sends it, so that all refuse the same: a shape that only
 * a programmer can get wrong breaks an invariant; a size that depends on data is an operating error.
 */
import { invariant, StoreError } from '@diststore/base';

import { COMMIT_BYTES_MAX, COMMIT_OPERATIONS_MAX, NAME_LENGTH_MAX, VALUE_BYTES_MAX } from './limits.js';
import type { Change, Compare } from './metadata-store.js';

const NAME = /^[!-~]+$/;
/** Half of a character: such text is not what it was after a trip through UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function isName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && NAME.test(name);
}

/** @throws StoreError value-too-large; nothing else that a caller could mend at run time. */
export function checkCommit(compares: readonly Compare[], changes: readonly Change[]): void {
  invariant(compares.length <= COMMIT_OPERATIONS_MAX, 'a commit has at most COMMIT_OPERATIONS_MAX compares', {
    compares: compares.length,
  });
  invariant(changes.length <= COMMIT_OPERATIONS_MAX, 'a commit has at most COMMIT_OPERATIONS_MAX changes', {
    changes: changes.length,
  });
  let bytes = 0;
  for (const compare of compares) {
    checkName(compare.name);
    const revision = 'modRevision' in compare ? compare.modRevision : compare.createRevision;
    invariant(Number.isSafeInteger(revision) && revision >= 0, 'a revision is a whole number from 0', {
      revision,
    });
    bytes += compare.name.length;
  }
  const changed = new Set<string>();
  for (const change of changes) {
    checkName(change.name);
    invariant(!changed.has(change.name), 'a commit changes a name once', { name: change.name });
    changed.add(change.name);
    bytes += change.name.length + (change.type === 'put' ? bytesOfValue(change.name, change.value) : 0);
  }
  if (bytes > COMMIT_BYTES_MAX) {
    const facts = { bytes, limit: COMMIT_BYTES_MAX };
    throw new StoreError('value-too-large', `A commit of ${bytes} bytes exceeds ${COMMIT_BYTES_MAX}.`, {
      facts,
    });
  }
}

function checkName(name: string): void {
  invariant(isName(name), 'a metadata name is 1 to NAME_LENGTH_MAX printable ASCII characters', { name });
}

function bytesOfValue(name: string, value: string): number {
  invariant(!LONE_SURROGATE.test(value), 'a metadata value is well-formed text', { name });
  const bytes = Buffer.byteLength(value);
  if (bytes > VALUE_BYTES_MAX) {
    throw new StoreError(
      'value-too-large',
      `The record ${name} has ${bytes} bytes, more than ${VALUE_BYTES_MAX}.`,
      {
        facts: { name, bytes, limit: VALUE_BYTES_MAX },
      },
    );
  }
  return bytes;
}
