/** Reading the rows of a replica's log (kind 03), a bounded page at a time. */
import { StoreError } from '@diststore/base';
import { decodeLogRow } from '@diststore/replication';
import type { Entry, Seq } from '@diststore/replication';
import { logRange, PAGE_ENTRIES_MAX, seqOfLog } from '@diststore/storage';
import type { Reader } from '@diststore/storage';

export interface LogBounds {
  /** The entry that takes it past this size is left out, unless it is the first. */
  readonly bytesMax: number;
  readonly entriesMax: number;
}

/**
 * The entries `from` to `through`, without a gap, as far as they are there and within the bounds.
 * @throws StoreError store-corrupt: a row is damaged, or LevelDB found damage.
 */
export async function readLog(
  reader: Reader,
  partition: number,
  { from, through }: { readonly from: Seq; readonly through: Seq },
  { bytesMax, entriesMax }: LogBounds,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  let bytes = 0;
  while (from + entries.length <= through && entries.length < entriesMax) {
    const limit = Math.min(PAGE_ENTRIES_MAX, entriesMax - entries.length);
    const page = await reader.page(logRange(partition, from + entries.length, through), { limit });
    for (const { key, value } of page.entries) {
      if (seqOfLog(key) !== from + entries.length) return entries;
      const entry = entryIn(key, value);
      bytes += entry.bytes.length;
      if (bytes > bytesMax && entries.length > 0) return entries;
      entries.push(entry);
    }
    if (page.done) break;
  }
  return entries;
}

/** The entry in a row of the log. @throws StoreError store-corrupt: it is not the entry that the key names. */
export function entryIn(key: Buffer, value: Buffer): Entry {
  const entry = decodeLogRow(value);
  if (entry?.seq !== seqOfLog(key))
    throw new StoreError('store-corrupt', `Log row ${key.toString('hex')} is damaged.`);
  return entry;
}
