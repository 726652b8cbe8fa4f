/** What a commit comes to, given the records as they are. Pure: it looks, and changes nothing. */
import type { Change, Compare, LeaseId, RecordChange } from './metadata-store.js';
import type { RecordIndex } from './record-index.js';

export function holds(compare: Compare, records: RecordIndex): boolean {
  const record = records.get(compare.name);
  return 'modRevision' in compare
    ? (record?.modRevision ?? 0) === compare.modRevision
    : (record?.createRevision ?? 0) === compare.createRevision;
}

/** The first lease that a put names and that is not alive. */
export function endedLeaseOf(
  changes: readonly Change[],
  isAlive: (lease: LeaseId) => boolean,
): LeaseId | undefined {
  for (const change of changes) {
    if (change.type === 'put' && change.lease !== undefined && !isAlive(change.lease)) return change.lease;
  }
  return undefined;
}

/** What `changes` make of the records at `modRevision`; deleting what is absent changes nothing. */
export function outcomeOf(
  changes: readonly Change[],
  records: RecordIndex,
  modRevision: number,
): RecordChange[] {
  const outcome: RecordChange[] = [];
  for (const change of changes) {
    const { name } = change;
    const before = records.get(name);
    if (change.type === 'put') {
      const { value, lease } = change;
      const createRevision = before?.createRevision ?? modRevision;
      outcome.push({ name, record: { name, value, createRevision, modRevision, lease } });
    } else if (before !== undefined) {
      outcome.push({ name, record: undefined });
    }
  }
  return outcome;
}
