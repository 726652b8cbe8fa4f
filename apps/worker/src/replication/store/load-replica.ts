/**
 * What a start finds of a replica. A start believes nothing: every row that says what the replica is must be sound,
 * and the log must be whole. What is not sound condemns this replica, not the store, so it is returned and not thrown.
 */
import { partitionId } from '@diststore/cluster';
import type { PartitionId } from '@diststore/cluster';
import { APPLIED_NOTHING, problemOfLog } from '@diststore/replication';
import type { AppliedState, Entry, InstalledState } from '@diststore/replication';
import {
  after,
  contentRanges,
  INSTALLED_RANGE,
  installedKey,
  logRange,
  partitionOfRow,
  stateKey,
} from '@diststore/storage';
import type { Storage } from '@diststore/storage';

import { entryIn } from './log-rows.js';
import { isDamage, readApplied, readInstalled } from './state-row.js';

interface Found {
  readonly applied: AppliedState;
  /** All that are kept, in order. */
  readonly entries: readonly Entry[];
}

/**
 * `problem` undefined: the replica is what it says. One that is `loading` has nothing that may be used, so it is
 * returned as empty; the next session erases what is there. A crash in the middle of erasing leaves that, too.
 *
 * `problem` in words: this replica must not be used. Unless it is the only copy, it is to be erased and to come back
 * under another incarnation. `installed` is undefined if row 01 itself is damaged.
 */
export type LoadedReplica =
  | (Found & { readonly installed: InstalledState; readonly problem: undefined })
  | (Found & { readonly installed: InstalledState | undefined; readonly problem: string });

const NOTHING: Found = { applied: APPLIED_NOTHING, entries: [] };

/** Of all replicas of this store, whatever state they are in. */
export async function installedPartitions(storage: Storage): Promise<PartitionId[]> {
  const found: PartitionId[] = [];
  let range = INSTALLED_RANGE;
  for (;;) {
    const page = await storage.page(range);
    for (const { key } of page.entries) found.push(partitionId(partitionOfRow(key)));
    const last = page.entries.at(-1)?.key;
    if (page.done || last === undefined) return found;
    range = { gte: after(last), lt: INSTALLED_RANGE.lt };
  }
}

/** The replica of a partition, or undefined if this store has none (no row 01). */
export async function loadReplica(
  storage: Storage,
  partition: PartitionId,
): Promise<LoadedReplica | undefined> {
  let installed: InstalledState | undefined;
  try {
    const row = await storage.get(installedKey(partition));
    if (row === undefined) return undefined;
    installed = readInstalled(partition, row);
    return await loadFound(storage, partition, installed);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...NOTHING, installed, problem: error.message };
  }
}

async function loadFound(
  storage: Storage,
  partition: PartitionId,
  installed: InstalledState,
): Promise<LoadedReplica> {
  if (installed.state === 'loading') return loadingReplica(installed);
  const row = await storage.get(stateKey(partition));
  if (row === undefined && (await holdsContent(storage, partition)))
    return { ...NOTHING, installed, problem: 'It has data but no state row.' };
  const applied = row === undefined ? APPLIED_NOTHING : readApplied(row);
  const entries = await readWholeLog(storage, partition, applied.base);
  const problem = problemOfLog(applied, entries);
  return problem === undefined
    ? { installed, applied, entries, problem }
    : { installed, applied, entries, problem: `Its log is not whole: ${problem}.` };
}

/**
 * Nobody in sync is ever given a snapshot, so one that is in sync and `loading` was on its way out: its name must not
 * live on over an empty log.
 */
function loadingReplica(installed: InstalledState): LoadedReplica {
  const isInSync = installed.configuration?.insync.some(
    (member) => member.incarnation === installed.incarnation,
  );
  return isInSync === true
    ? { ...NOTHING, installed, problem: 'It was being erased.' }
    : { ...NOTHING, installed, problem: undefined };
}

async function holdsContent(storage: Storage, partition: number): Promise<boolean> {
  for (const range of contentRanges(partition)) {
    const { entries } = await storage.page(range, { limit: 1 });
    if (entries.length > 0) return true;
  }
  return false;
}

/** Every row above `base`, gaps and all. Rows up to `base` were trimmed, and wait for the sweep. */
async function readWholeLog(storage: Storage, partition: number, base: number): Promise<Entry[]> {
  const found: Entry[] = [];
  let range = logRange(partition, base + 1, Number.MAX_SAFE_INTEGER - 1);
  for (;;) {
    const page = await storage.page(range);
    for (const { key, value } of page.entries) found.push(entryIn(key, value));
    const last = page.entries.at(-1)?.key;
    if (page.done || last === undefined) return found;
    range = { gte: after(last), lt: range.lt };
  }
}
