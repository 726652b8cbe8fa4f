/**
 * Commands about all keys: on the gateway port those of the cluster, on the cluster port those of this worker, except
 * that FLUSHALL and FLUSHDB empty the whole keyspace on both. None of them is atomic over partitions.
 */
import { randomInt } from 'node:crypto';

import { StoreError } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';
import {
  equalsIgnoringCase,
  errorReply,
  type Glob,
  parsePattern,
  parseScanOptions,
  type ReplyEncoder,
  SYNTAX_ERROR,
} from '@diststore/redis';

import type { Arguments, Connection, Implementation, Implementations, RedisPort } from '../implementation.js';
import { PAGE_KEYS_MAX, REPLY_BYTES_MAX, SCAN_PAGES_MAX } from '../redis-limits.js';

const NOTHING = Buffer.alloc(0);
const CURSOR_LOST_ERROR = errorReply(
  'ERR invalid cursor: it was not given by this server, or it has expired. Start the scan again with 0.',
);
const FLUSH_IN_MULTI_ERROR = errorReply('ERR FLUSHALL and FLUSHDB are not allowed inside a transaction here');

/** The keys that can match lie from `from` on, and before `to`. */
function boundsOf(pattern: Glob | undefined): { from: Buffer; to: Buffer | undefined } {
  const prefix = pattern?.literalPrefix ?? NOTHING;
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) return { from: prefix, to: undefined };
  const to = Buffer.from(prefix.subarray(0, end));
  to[end - 1] = (to[end - 1] as number) + 1;
  return { from: prefix, to };
}

async function scan({ port }: Connection, args: Arguments, out: ReplyEncoder): Promise<void> {
  const options = parseScanOptions(args);
  if (!options.ok) {
    out.error(options.error.text);
    return;
  }
  const { cursor, pattern, count, type } = options.value;
  const partitions = port.partitions();
  const { from, to } = boundsOf(pattern);
  let at = 0;
  let key = from;
  if (cursor !== 0) {
    const position = port.cursors.find(cursor);
    if (position === undefined) {
      out.error(CURSOR_LOST_ERROR.text);
      return;
    }
    // A partition that has moved away is gone on with at its successor, as a scan of a Redis node would.
    at = partitions.findIndex((partition) => partition >= position.partition);
    if (at < 0) at = partitions.length;
    else if (partitions[at] === position.partition)
      key = Buffer.compare(position.from, from) > 0 ? position.from : from;
  }
  const found: Buffer[] = [];
  // There is one type; a scan for another one has nothing to look at.
  if (type !== undefined && type !== 'string') at = partitions.length;
  let left = count;
  for (let pages = 0; left > 0 && pages < SCAN_PAGES_MAX && at < partitions.length; pages++) {
    const partition = partitions[at] as PartitionId;
    const limit = Math.min(left, PAGE_KEYS_MAX);
    const page = await port.keyspace.page(partition, key, to, { limit, keysOnly: true });
    for (const record of page.records) if (pattern?.matches(record.key) ?? true) found.push(record.key);
    left -= page.records.length;
    if (page.next === undefined) {
      at++;
      key = from;
    } else {
      key = page.next;
    }
  }
  const next = partitions[at];
  out.arrayHeader(2);
  out.bulk(next === undefined ? '0' : String(port.cursors.give({ partition: next, from: key }, cursor)));
  out.arrayHeader(found.length);
  for (const name of found) out.bulk(name);
}

/** Walks over all keys between two, page by page. */
async function walk(
  port: RedisPort,
  partitions: readonly PartitionId[],
  bounds: { readonly from: Buffer; readonly to: Buffer | undefined },
  visit: (key: Buffer) => void,
): Promise<void> {
  for (const partition of partitions) {
    let from: Buffer | undefined = bounds.from;
    while (from !== undefined) {
      const page = await port.keyspace.page(partition, from, bounds.to, {
        limit: PAGE_KEYS_MAX,
        keysOnly: true,
      });
      for (const { key } of page.records) visit(key);
      from = page.next;
    }
  }
}

async function keys({ port }: Connection, args: Arguments, out: ReplyEncoder): Promise<void> {
  const pattern = parsePattern(args[1] as Buffer);
  if (!pattern.ok) {
    out.error(pattern.error.text);
    return;
  }
  const found: Buffer[] = [];
  let bytes = 0;
  await walk(port, port.partitions(), boundsOf(pattern.value), (key) => {
    if (!pattern.value.matches(key)) return;
    bytes += key.length + KEY_OVERHEAD_BYTES;
    if (bytes > REPLY_BYTES_MAX)
      throw new StoreError(
        'bad-request',
        `The keys would take more than ${REPLY_BYTES_MAX} bytes. Use SCAN.`,
      );
    found.push(key);
  });
  out.arrayHeader(found.length);
  for (const key of found) out.bulk(key);
}

/** What a key takes in memory beside its bytes while a reply is gathered. */
const KEY_OVERHEAD_BYTES = 64;

async function dbsize({ port }: Connection, _args: Arguments, out: ReplyEncoder): Promise<void> {
  out.integer(await countKeys(port));
}

/** Those that have expired and are not swept yet are counted, as in Redis. */
export async function countKeys(port: RedisPort): Promise<number> {
  const counts = await Promise.all(port.partitions().map((partition) => port.keyspace.counts(partition)));
  return counts.reduce((sum, { keys: count }) => sum + count, 0);
}

/** Any key: of a partition chosen by its number of keys, one near a random place. Not every key is equally likely. */
async function randomkey({ port }: Connection, _args: Arguments, out: ReplyEncoder): Promise<void> {
  const partitions = port.partitions();
  const counts = await Promise.all(partitions.map((partition) => port.keyspace.counts(partition)));
  const total = counts.reduce((sum, { keys: count }) => sum + count, 0);
  let rank = total === 0 ? 0 : randomInt(total);
  let start = counts.findIndex(({ keys: count }) => (rank -= count) < 0);
  if (start < 0) start = 0;
  // Its keys may have expired by now: then the next partition that has some.
  for (let i = 0; i < partitions.length; i++) {
    const partition = partitions[(start + i) % partitions.length] as PartitionId;
    const page = await port.keyspace.page(partition, NOTHING, undefined, {
      limit: PAGE_KEYS_MAX,
      keysOnly: true,
    });
    let candidates = page.records;
    const last = candidates.at(-1);
    if (page.next !== undefined && last !== undefined && randomInt(2) === 1) {
      const further = await port.keyspace.page(partition, placeBehind(last.key), undefined, {
        limit: PAGE_KEYS_MAX,
        keysOnly: true,
      });
      if (further.records.length > 0) candidates = further.records;
    }
    const chosen = candidates[candidates.length === 0 ? 0 : randomInt(candidates.length)];
    if (chosen !== undefined) {
      out.bulk(chosen.key);
      return;
    }
  }
  out.null();
}

/** A random key that is greater than this one, and shares a part of it. */
function placeBehind(key: Buffer): Buffer {
  const at = randomInt(key.length);
  const place = Buffer.from(key);
  place[at] = randomInt(place[at] as number, 256);
  return place;
}

const flush: Implementation = {
  kind: 'special',
  inMulti: FLUSH_IN_MULTI_ERROR,
  run: async ({ port }, args, out) => {
    const [, mode] = args;
    const isKnown =
      mode === undefined || equalsIgnoringCase(mode, 'async') || equalsIgnoringCase(mode, 'sync');
    if (args.length > 2 || !isKnown) {
      out.error(SYNTAX_ERROR.text);
      return;
    }
    await port.keyspace.clear();
    out.ok();
  },
};

export const keyspaceCommands: Implementations = {
  scan: { kind: 'special', run: scan },
  keys: { kind: 'special', run: keys },
  dbsize: { kind: 'special', run: dbsize },
  randomkey: { kind: 'special', run: randomkey },
  flushall: flush,
  flushdb: flush,
};
