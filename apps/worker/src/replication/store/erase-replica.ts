/**
 * Deleting a replica, in bounded batches. A crash in between must never leave something that passes for a replica
 * with less data than it acknowledged; above all not one that was erased to the end under its old name, which would
 * pass for a new and empty member of the in-sync set. So row 01 says `loading` before anything else is deleted.
 */
import { installedKey, replicaRanges, stateKey } from '@diststore/storage';
import type { Storage, WriteOp } from '@diststore/storage';

import { ERASE_ROWS_MAX } from './limits.js';
import { installedOp, isDamage, readInstalled } from './state-row.js';

/**
 * Deletes every row of the partition but row 01, which says `loading` from then on if it said `ok`. Durable when it
 * resolves. To be repeated after a crash or a failure.
 * REQUIRES: whatever was written to the partition before is durable, and nothing is written to it meanwhile.
 */
export async function eraseReplica(storage: Storage, partition: number): Promise<void> {
  const marks = await markOps(storage, partition);
  await storage.write([...marks, { type: 'del', key: stateKey(partition) }]);
  for (const range of replicaRanges(partition)) {
    for (;;) {
      const page = await storage.page(range, { limit: ERASE_ROWS_MAX });
      if (page.entries.length > 0) await storage.write(page.entries.map(({ key }) => ({ type: 'del', key })));
      if (page.done) break;
    }
  }
}

/** As `eraseReplica`, and then row 01 as well: this store has no replica of the partition any more. */
export async function dropReplica(storage: Storage, partition: number): Promise<void> {
  await eraseReplica(storage, partition);
  await storage.write([{ type: 'del', key: installedKey(partition) }]);
}

async function markOps(storage: Storage, partition: number): Promise<WriteOp[]> {
  const row = await storage.get(installedKey(partition));
  if (row === undefined) return [];
  try {
    const installed = readInstalled(partition, row);
    return installed.state === 'loading' ? [] : [installedOp(partition, { ...installed, state: 'loading' })];
  } catch (error) {
    // A damaged row 01 passes for no replica at all.
    if (isDamage(error)) return [];
    throw error;
  }
}
