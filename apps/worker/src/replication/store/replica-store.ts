/**
 * The rows of one replica: turns what the replica wants durable into operations, and reads what is there. It enqueues
 * nothing but erasing and the deletes of its sweeps; in which order writes reach the disk is the commit queue's.
 *
 *     01      installed configuration      `loading`: nothing else of it may be used
 *     02      how far the data is          in one batch with the data, always
 *     03      log, above the base          rows at or below it are trimmed, though perhaps still stored
 *     04, 07  records, their expiry index
 *     05, 06  results of requests, their age index
 *
 * Invariant: after a crash at any point `loadReplica` finds what was durable, or says that it may not be used.
 */
import { invariant } from '@diststore/base';
import type { StoreError } from '@diststore/base';
import type {
  AppliedState,
  DurableWrite,
  Entry,
  FinishedRequest,
  RequestId,
  Seq,
} from '@diststore/replication';
import { dataKey } from '@diststore/storage';
import type { Storage, StoredRecord, WriteOp } from '@diststore/storage';

import { recordOr } from './damage.js';
import type { OnDamage } from './damage.js';
import { pushOps, stateOf } from './durable-ops.js';
import { dropReplica, eraseReplica } from './erase-replica.js';
import { Leftovers } from './leftovers.js';
import type { AskUnderWay } from './leftovers.js';
import { readLog } from './log-rows.js';
import type { LogBounds } from './log-rows.js';
import { readFinished, readForWrite, resultLost } from './replica-reads.js';
import type { FoundForWrite, KeysToRead, Known } from './replica-reads.js';
import { ReplicaSnapshot } from './snapshot-rows.js';
import { isDamage, stateOp } from './state-row.js';

export class ReplicaStore {
  private readonly leftovers: Leftovers;

  /** REQUIRES: whatever another one wrote to this partition before is durable. */
  constructor(
    private readonly storage: Storage,
    readonly partition: number,
    private readonly onDamage: OnDamage = () => undefined,
  ) {
    this.leftovers = new Leftovers(storage, partition);
  }

  /**
   * The operations of one `persist`, or of several of this replica in their order, for one batch. Row 02 is the last
   * of them, and only the newest. Asked again after the storage refused the batch, it answers the same.
   * REQUIRES: calls in the order in which the batches are written; no `erase` among `writes`; the buffers in `writes`
   * never change; rows of a snapshot have passed `problemOfSnapshotRows`.
   */
  opsOf(writes: readonly DurableWrite[]): WriteOp[] {
    const ops: WriteOp[] = [];
    let newest: AppliedState | undefined;
    for (const write of writes) {
      invariant(write.type !== 'erase', 'erasing takes several batches');
      pushOps(ops, this.partition, write);
      newest = stateOf(write) ?? newest;
      this.leftovers.note(write);
    }
    if (newest !== undefined) ops.push(stateOp(this.partition, newest, this.leftovers.clearPending));
    return ops;
  }

  /** See `eraseReplica`. */
  async erase(): Promise<void> {
    this.leftovers.forget();
    await eraseReplica(this.storage, this.partition);
  }

  /** See `dropReplica`. */
  async drop(): Promise<void> {
    this.leftovers.forget();
    await dropReplica(this.storage, this.partition);
  }

  /**
   * The record as it is stored, expired or cleared though it may be. Answers at once when the data is in memory.
   * Also who wants to know only its length or its time to live has all of it read: it is one row, LevelDB gives out
   * whole rows, and one checksum covers header and payload (16 MiB: some tens of milliseconds).
   * @throws StoreError record-corrupt, or what `onDamage` makes of it
   */
  get(key: Buffer): StoredRecord | undefined | Promise<StoredRecord | undefined> {
    const found = this.storage.read(dataKey(this.partition, key));
    return found instanceof Promise
      ? found.then((bytes) => bytes && this.recordIn(key, bytes))
      : found && this.recordIn(key, found);
  }

  /** The record in a row. @throws as `get` */
  recordIn(key: Buffer, bytes: Buffer): StoredRecord {
    return recordOr(this.onDamage, key, bytes);
  }

  /** See `readForWrite`. @throws as it does, or what `onDamage` makes of that; and as `finished` */
  readForWrite(what: KeysToRead, known?: Known): FoundForWrite {
    const { storage, partition } = this;
    const { requestId } = what;
    const finished = requestId === undefined ? undefined : this.finished(requestId);
    const found = this.reading(() => readForWrite(storage, partition, what, finished, known), asItIs);
    if (found.damaged.size === 0) return found;
    const damaged = new Map([...found.damaged].map(([name, error]) => [name, this.onDamage(error) ?? error]));
    return { ...found, damaged };
  }

  /**
   * What became of a request, or undefined if it is not known here.
   * @throws StoreError outcome-unknown: it was done, and no replica has its result; or what `onDamage` makes of that
   */
  finished(requestId: RequestId): FinishedRequest | undefined {
    const { storage, partition } = this;
    return this.reading(
      () => readFinished(storage, partition, requestId),
      () => resultLost(partition),
    );
  }

  /** @param alone what damage is called where no other replica can help. */
  private reading<T>(read: () => T, alone: (damage: StoreError) => StoreError): T {
    try {
      return read();
    } catch (error) {
      throw isDamage(error) ? (this.onDamage(error) ?? alone(error)) : error;
    }
  }

  /** See `readLog`. */
  readLog(range: { readonly from: Seq; readonly through: Seq }, bounds: LogBounds): Promise<Entry[]> {
    return readLog(this.storage, this.partition, range, bounds);
  }

  /** See `ReplicaSnapshot.open`. */
  openSnapshot(): Promise<ReplicaSnapshot> {
    return ReplicaSnapshot.open(this.storage, this.partition, this.onDamage);
  }

  /** Whether records that a clear has hidden may still be stored. */
  get clearPending(): boolean {
    return this.leftovers.clearPending;
  }

  /** See `Leftovers.sweepOld`. */
  sweepOld(underWay: AskUnderWay): Promise<boolean> {
    return this.leftovers.sweepOld(underWay);
  }

  /** See `Leftovers.sweepCleared`. */
  sweepCleared(underWay: AskUnderWay, pause: () => Promise<boolean>): Promise<void> {
    return this.leftovers.sweepCleared(underWay, pause);
  }
}

function asItIs(damage: StoreError): StoreError {
  return damage;
}
