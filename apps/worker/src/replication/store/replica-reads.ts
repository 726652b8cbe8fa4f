/** What a replica's rows say about keys and requests: the reading side of `Reads`. */
import { isStoreError, StoreError } from '@diststore/base';
import type { FinishedRequest, ReadRecords, Reads, RequestId, Seq } from '@diststore/replication';
import { dataKey, decodeFinished, decodeRecord, requestKey } from '@diststore/storage';
import type { FinishedRequestRow, Storage, StoredRecord } from '@diststore/storage';

/**
 * Stands for a record that fails its checksum. Its place is taken by a row of unknown content, newer than any clear:
 * it can be replaced and deleted, which is how one is repaired, and nothing else.
 */
export const DAMAGED_RECORD: StoredRecord = {
  version: Number.MAX_SAFE_INTEGER,
  expireAtMs: 0,
  contentType: undefined,
  payload: Buffer.alloc(0),
};

/**
 * Stands for the result of a request of which no replica has a sound one any more. No entry has this number.
 * Persisted, never renumber.
 */
export const LOST_RESULT: FinishedRequestRow = {
  seq: 0,
  fingerprint: { hi: 0, lo: 0 },
  result: Buffer.alloc(0),
};

export interface KeysToRead {
  /** `Replica.applied` as it is now. */
  readonly appliedSeq: Seq;
  readonly keys: readonly Buffer[];
  readonly requestId: RequestId | undefined;
}

/** A record that need not be read from the store, by `keyName` and key. */
export type Known = (name: string, key: Buffer) => StoredRecord | undefined;

export interface FoundForWrite {
  readonly reads: Reads;
  /**
   * Why each DAMAGED_RECORD among the reads is one, by `keyName`. An operation that depends on what such a record
   * holds (any but an unconditional put or delete that does not ask for the old value) is to fail with this error.
   */
  readonly damaged: ReadonlyMap<string, StoreError>;
}

/** As `keyName`, at native speed. */
export function nameOf(key: Buffer): string {
  return key.toString('latin1');
}

export const NONE_DAMAGED: ReadonlyMap<string, StoreError> = new Map();

/**
 * Reads at once, on the caller's thread, what a write of `keys` is decided against, besides what became of its request.
 * @throws StoreError store-corrupt: a block of the store is damaged, with whatever is in it
 */
export function readForWrite(
  storage: Storage,
  partition: number,
  { appliedSeq, keys }: KeysToRead,
  finished: FinishedRequest | undefined,
  known?: Known,
): FoundForWrite {
  let damaged: Map<string, StoreError> | undefined;
  const find = (key: Buffer, name: string): StoredRecord | null => {
    const record = known?.(name, key);
    if (record !== undefined) return record;
    const bytes = storage.getSync(dataKey(partition, key));
    if (bytes === undefined) return null;
    try {
      return decodeRecord(key, bytes);
    } catch (error) {
      if (!isStoreError(error, 'record-corrupt')) throw error;
      damaged ??= new Map();
      damaged.set(name, error);
      return DAMAGED_RECORD;
    }
  };
  const records = recordsOf(keys, find);
  return { reads: { appliedSeq, records, finished }, damaged: damaged ?? NONE_DAMAGED };
}

function recordsOf(
  keys: readonly Buffer[],
  find: (key: Buffer, name: string) => StoredRecord | null,
): ReadRecords {
  const [only] = keys;
  if (only === undefined || keys.length > 1)
    return new Map(keys.map((key) => [nameOf(key), find(key, nameOf(key))]));
  const name = nameOf(only);
  return new OneRecord(only, name, find(only, name));
}

/** Nearly all writes have one key, for which a map would be much ado. */
class OneRecord implements ReadRecords {
  constructor(
    private readonly key: Uint8Array,
    private readonly name: string,
    private readonly record: StoredRecord | null,
  ) {}

  get(asked: string): StoredRecord | null | undefined {
    return asked === this.name ? this.record : undefined;
  }

  nameOf(key: Uint8Array): string | undefined {
    return key === this.key ? this.name : undefined;
  }
}

/**
 * What became of a request, or undefined if it is not known here.
 * @throws StoreError store-corrupt, store-format: its row is damaged here; outcome-unknown: it was, in the only copy
 */
export function readFinished(
  storage: Storage,
  partition: number,
  requestId: RequestId,
): FinishedRequest | undefined {
  const key = requestKey(partition, requestId);
  const bytes = storage.getSync(key);
  if (bytes === undefined) return undefined;
  const finished = decodeFinished(key, bytes);
  if (finished.seq === LOST_RESULT.seq) throw resultLost(partition);
  return finished;
}

/** Nothing is known but that it was done: it is not done again, and cannot be answered. */
export function resultLost(partition: number): StoreError {
  const detail =
    'A request with this id was done before, but what was kept of its answer is damaged. Read back what it was to change.';
  return new StoreError('outcome-unknown', detail, { facts: { partition } });
}
