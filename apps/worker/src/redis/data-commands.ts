/**
 * Runs commands on keys outside of MULTI: over one partition or many, whose answers are put together again.
 *
 * One operation on keys of one slot is one step where the keys are. Commands that name many keys and treat each by
 * itself (MGET, MSET, DEL, …) run per partition, all at a time, and are atomic within a partition only.
 */
import { isStoreError, StoreError } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';
import {
  type ReadOperation,
  type Result,
  type SingleWrite,
  type StoredValue,
  TRANSACTION_OPERATIONS_MAX,
} from '@diststore/data';

import type { Reader, RedisDone, RedisFound, RedisKeyspace } from './redis-keyspace.js';
import { GROUPS_AT_ONCE_MAX, KEYS_AT_ONCE_MAX, PENDING_READS_MAX, REPLY_BYTES_MAX } from './redis-limits.js';

type Records = (StoredValue | undefined)[];

export interface ManyDone {
  readonly results: readonly Result[];
  /** The fewest workers that hold any of what was written; undefined when nothing was. */
  readonly replicas: number | undefined;
}

/** As `perform`; a `get` answers at once when it can. */
export function performOne(
  keyspace: RedisKeyspace,
  operation: ReadOperation | SingleWrite,
): RedisDone | Promise<RedisDone> {
  if (operation.type !== 'get') return keyspace.perform(operation);
  const found = keyspace.get(operation.key);
  return found instanceof Promise ? found.then(doneOf) : doneOf(found);
}

function doneOf({ record }: RedisFound): RedisDone {
  return { result: { type: 'value', record }, replicas: [] };
}

/**
 * The records of all keys, in order; at once when all are here and in memory.
 * @throws StoreError bad-request: together they are larger than REPLY_BYTES_MAX.
 */
export function readMany(keyspace: Reader, keys: readonly Buffer[]): Records | Promise<Records> {
  const records: Records = [];
  let bytes = 0;
  for (let i = 0; i < keys.length; i++) {
    // Not too many at once: others wait for their turn.
    const found = i < KEYS_AT_ONCE_MAX ? keyspace.get(keys[i] as Buffer) : later(keyspace, keys[i] as Buffer);
    if (found instanceof Promise) return readRest(keyspace, keys, { records, bytes, started: found });
    bytes += sizeOf(found);
    checkBytes(bytes);
    records.push(found.record);
  }
  return records;
}

async function readRest(
  keyspace: Reader,
  keys: readonly Buffer[],
  { records, bytes, started }: { records: Records; bytes: number; started: Promise<RedisFound> },
): Promise<Records> {
  const all: Records = [...records];
  let total = bytes;
  let next = records.length;
  const take = (index: number, found: RedisFound): void => {
    total += sizeOf(found);
    checkBytes(total);
    all[index] = found.record;
  };
  const first = next++;
  const readOn = async (): Promise<void> => {
    while (next < keys.length) {
      const index = next++;
      const key = keys[index] as Buffer;
      take(index, await (index % KEYS_AT_ONCE_MAX === 0 ? later(keyspace, key) : keyspace.get(key)));
    }
  };
  const readers = [started.then((found) => take(first, found)).then(readOn)];
  for (let i = 1; i < PENDING_READS_MAX; i++) readers.push(readOn());
  throwFirst(await Promise.allSettled(readers));
  return all;
}

/** Reads in the next turn. */
async function later(keyspace: Reader, key: Buffer): Promise<RedisFound> {
  await new Promise((resolve) => setImmediate(resolve));
  return keyspace.get(key);
}

/**
 * Performs all operations: those of one partition together, in transactions, and the partitions at the same time.
 * @throws StoreError when a partition failed; the others have done their part all the same.
 */
export async function performMany(
  keyspace: RedisKeyspace,
  operations: readonly SingleWrite[],
  groupBytesMax: number,
): Promise<ManyDone> {
  const groups = groupsOf(keyspace, operations, groupBytesMax);
  const results: Result[] = [];
  let replicas: number | undefined;
  const perform = async (group: readonly number[]): Promise<void> => {
    const then = group.map((index) => operations[index] as SingleWrite);
    const [only] = then;
    const done = await keyspace.perform(
      then.length === 1 && only !== undefined
        ? only
        : { type: 'transaction', compare: [], then, otherwise: [], continueOnFailure: true },
    );
    replicas = Math.min(replicas ?? Infinity, done.replicas.length);
    if (then.length === 1) results[group[0] as number] = done.result;
    else placeResults(done.result, group, results);
  };
  // In their order, so that of two values for one key the last one stays.
  let next = 0;
  const performOn = async (): Promise<void> => {
    while (next < groups.length) await perform(groups[next++] as number[]);
  };
  throwFirst(await Promise.allSettled(Array.from({ length: GROUPS_AT_ONCE_MAX }, performOn)));
  return { results, replicas };
}

function placeResults(result: Result, group: readonly number[], results: Result[]): void {
  group.forEach((index, at) => {
    results[index] = result.type === 'transaction' ? (result.results[at] as Result) : result;
  });
}

/** Numbers of operations that go together. */
function groupsOf(
  keyspace: RedisKeyspace,
  operations: readonly SingleWrite[],
  groupBytesMax: number,
): number[][] {
  const groups: number[][] = [];
  const open = new Map<PartitionId, { group: number[]; bytes: number }>();
  operations.forEach((operation, index) => {
    const partition = keyspace.partitionOf(operation.key);
    const bytes = operation.key.length + (operation.type === 'put' ? operation.value.length : 0);
    const last = open.get(partition);
    if (
      last !== undefined &&
      last.group.length < TRANSACTION_OPERATIONS_MAX &&
      last.bytes + bytes <= groupBytesMax
    ) {
      last.group.push(index);
      last.bytes += bytes;
    } else {
      const group = [index];
      open.set(partition, { group, bytes });
      groups.push(group);
    }
  });
  return groups;
}

/** The one to tell of several failures: an unknown outcome says more than a definite one. */
function throwFirst(outcomes: readonly PromiseSettledResult<unknown>[]): void {
  const reasons = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  if (reasons.length === 0) return;
  throw (
    reasons.find((reason) => !isStoreError(reason)) ??
    reasons.find((reason) => isStoreError(reason, 'outcome-unknown')) ??
    reasons[0]
  );
}

function sizeOf({ record }: RedisFound): number {
  return record?.payload.length ?? 0;
}

function checkBytes(bytes: number): void {
  if (bytes <= REPLY_BYTES_MAX) return;
  throw new StoreError(
    'bad-request',
    `The reply would exceed ${REPLY_BYTES_MAX} bytes. Ask for fewer keys at a time.`,
  );
}
