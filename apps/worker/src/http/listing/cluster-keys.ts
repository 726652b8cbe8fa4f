/**
 * The keys of the whole cluster in one order: the merge of all partitions' ranges, each asked where its primary is.
 *
 * Not a snapshot. A key that exists throughout is seen once, in its place; one that comes or goes meanwhile may be
 * seen or not.
 *
 * Values are read one by one when their turn comes, not with the pages: the merge holds entries of every partition,
 * and of the largest values a handful is all that memory should hold.
 */
import type { Keyspace } from '../../data/keyspace.js';
import { isEmpty, type KeyRange } from './key-range.js';
import { mergeInKeyOrder } from './key-order-merge.js';

export interface ListedRecord {
  readonly version: number;
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  /** Empty when only keys were asked for. */
  readonly payload: Buffer;
}

export interface Listed {
  readonly key: Buffer;
  readonly record: ListedRecord;
}

/** Keys held ahead of the reader, over all partitions: at 1 KiB each, 16 MiB at most; in practice a tenth of it. */
const KEYS_AHEAD_MAX = 16_384;
const PAGE_KEYS_MIN = 16;
/** As much as one step of LevelDB's iterator hands over. */
const PAGE_KEYS_MAX = 1000;
/** Partitions that one listing asks at the same time. */
const PARTITIONS_ASKED_MAX = 16;
/** Keys that are handed on together: about a millisecond of work, between which others are served. */
const RUN_KEYS_MAX = 256;
/** Values that are read ahead of the reader. */
export const VALUES_AHEAD_MAX = 8;

export type ClusterReader = Pick<Keyspace, 'get' | 'page' | 'partitions'>;

/**
 * The keys of `range` in order, in runs.
 * @param expected how many the reader is likely to take.
 * @throws StoreError as Keyspace.page
 */
export async function* keysOf(
  keyspace: ClusterReader,
  range: KeyRange,
  expected = Infinity,
): AsyncGenerator<readonly Listed[], void> {
  if (isEmpty(range)) return;
  const partitions = keyspace.partitions();
  // Half as much again as an equal share: hashing spreads keys evenly, but not that evenly.
  const share = Math.ceil((expected * 1.5) / partitions.length);
  const affordable = Math.floor(KEYS_AHEAD_MAX / partitions.length);
  const pageEntries = Math.min(Math.max(PAGE_KEYS_MIN, Math.min(share, affordable)), PAGE_KEYS_MAX);
  const sources = partitions.map((partition) => async (from: Buffer, limit: number) => {
    const { records, next } = await keyspace.page(partition, from, range.to, { limit, keysOnly: true });
    return { entries: records, next };
  });
  yield* mergeInKeyOrder<Listed>(sources, {
    from: range.from,
    pageEntries,
    fetchesMax: PARTITIONS_ASKED_MAX,
    runEntriesMax: RUN_KEYS_MAX,
  });
}

/** The keys of `runs` one by one. */
export async function* oneByOne(runs: AsyncIterable<readonly Listed[]>): AsyncGenerator<Listed, void> {
  for await (const run of runs) yield* run;
}

/** The same with their values as they are now. What has gone in between is left out. @throws StoreError as Keyspace.get */
export async function* withValues(
  keyspace: ClusterReader,
  runs: AsyncIterable<readonly Listed[]> | Iterable<readonly Listed[]>,
): AsyncGenerator<Listed, void> {
  const read = (key: Buffer): { key: Buffer; found: ReturnType<Keyspace['get']> } => {
    const found = keyspace.get(key);
    // Read ahead, it may fail before anybody waits for it. Whoever does is told.
    if (found instanceof Promise) found.catch(() => undefined);
    return { key, found };
  };
  for await (const run of runs) {
    const ahead = run.slice(0, VALUES_AHEAD_MAX).map(({ key }) => read(key));
    for (let i = ahead.length; ; i += 1) {
      const first = ahead.shift();
      if (first === undefined) break;
      const { record } = first.found instanceof Promise ? await first.found : first.found;
      if (record !== undefined) yield { key: first.key, record };
      const next = run[i];
      if (next !== undefined) ahead.push(read(next.key));
    }
  }
}
