/**
 * The keys of the whole cluster in one order: the merge of all partitions' ranges, each asked where its primary is.
 *
 * Not a snapshot. A key that exists throughout is seen once, in its place; one that comes or goes meanwhile may be
 * seen or not.
 *
 * Small values come with the pages. Larger ones are read one by one when their turn comes: the merge holds entries of
 * every partition, and of the largest values a handful is all that memory should hold.
 */
import type { Keyspace } from '../../data/keyspace.js';
import type { PageRecord } from '../../data/partition.js';
import { isEmpty, type KeyRange } from './key-range.js';
import { mergeInKeyOrder } from './key-order-merge.js';

export type Listed = Pick<PageRecord, 'key' | 'record'>;

/** Entries held ahead of the reader, over all partitions: at 1.5 KiB each, 24 MiB at most; in practice a tenth of it. */
const KEYS_AHEAD_MAX = 16_384;
const PAGE_KEYS_MIN = 16;
/** As much as one step of LevelDB's iterator hands over. */
const PAGE_KEYS_MAX = 1000;
/** Partitions that one listing asks at the same time. */
const PARTITIONS_ASKED_MAX = 16;
/** Keys that are handed on together: about a millisecond of work, between which others are served. */
const RUN_KEYS_MAX = 256;
/** Values read one by one that are held ahead of the reader. */
export const VALUES_AHEAD_MAX = 8;

export type ClusterReader = Pick<Keyspace, 'get' | 'page' | 'partitions'>;

/**
 * What is in `range`, in the order of the keys, in runs that are never empty.
 * @param keysOnly without values.
 * @param expected how many the reader is likely to take.
 * @throws StoreError as Keyspace.page
 */
export async function* listed(
  keyspace: ClusterReader,
  range: KeyRange,
  { keysOnly, expected = Infinity }: { keysOnly: boolean; expected?: number | undefined },
): AsyncGenerator<readonly Listed[], void> {
  if (isEmpty(range)) return;
  const partitions = keyspace.partitions();
  // Half as much again as an equal share: hashing spreads keys evenly, but not that evenly.
  const share = partitions.length === 1 ? expected : Math.ceil((expected * 1.5) / partitions.length);
  const affordable = Math.floor(KEYS_AHEAD_MAX / partitions.length);
  const pageEntries = Math.min(Math.max(PAGE_KEYS_MIN, Math.min(share, affordable)), PAGE_KEYS_MAX);
  const sources = partitions.map((partition) => async (from: Buffer, limit: number) => {
    const { records, next } = await keyspace.page(partition, from, range.to, { limit, keysOnly });
    return { entries: records, next };
  });
  const runs = mergeInKeyOrder<PageRecord>(sources, {
    from: range.from,
    pageEntries,
    fetchesMax: PARTITIONS_ASKED_MAX,
    runEntriesMax: RUN_KEYS_MAX,
  });
  yield* keysOnly ? runs : withAllValues(keyspace, runs);
}

/**
 * The same, with the values that the pages have left out, as they are now. What has gone in between is left out.
 * @throws StoreError as Keyspace.get
 */
async function* withAllValues(
  keyspace: ClusterReader,
  runs: AsyncIterable<readonly PageRecord[]>,
): AsyncGenerator<readonly Listed[], void> {
  const read = ({ key }: PageRecord): ReturnType<Keyspace['get']> => {
    const found = keyspace.get(key);
    // Read ahead, it may fail before anybody waits for it. Whoever does is told.
    if (found instanceof Promise) found.catch(() => undefined);
    return found;
  };
  for await (const run of runs) {
    const toRead = run.filter(({ isWhole }) => !isWhole);
    const ahead = toRead.splice(0, VALUES_AHEAD_MAX).map(read);
    let ready: Listed[] = [];
    for (const entry of run) {
      if (entry.isWhole) {
        ready.push(entry);
        continue;
      }
      if (ready.length > 0) yield ready;
      ready = [];
      const record = (await ahead.shift())?.record;
      if (record !== undefined) yield [{ key: entry.key, record }];
      const next = toRead.shift();
      if (next !== undefined) ahead.push(read(next));
    }
    if (ready.length > 0) yield ready;
  }
}
