/**
 * What the protocols talk to: the keys of the cluster. It checks what no partition needs to know of, the limits,
 * and does what is asked wherever the key is.
 */
import { isStoreError, StoreError } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';
import { checkKey, checkOperation, KEY_BYTES_MAX, keysOf } from '@diststore/data';
import type { DataLimits, Operation, Put, Result } from '@diststore/data';
import type { Counts, Request } from '@diststore/replication';
import type { StoredRecord } from '@diststore/storage';

import type { Holders, Route, Router } from '../routing/router.js';
import type { ReplicatedPartition, StaleRecord } from '../replication/replicated-partition.js';
import type { Consistency } from './consistency.js';
import type { PageOptions, Partition, Performed, RecordPage } from './partition.js';

export interface Found {
  readonly record: StoredRecord | undefined;
  readonly holders: Holders;
}

export interface Done extends Performed, Holders {}

export interface Receipt extends Holders {
  readonly version: number;
}

/** The partitions of this worker. */
export interface PartitionsHere {
  /** Those that are led from here. */
  primaries(): readonly Partition[];
  /** The one that this worker has a replica of, in whatever role. */
  replica(partition: PartitionId): Pick<ReplicatedPartition, 'readStale'> | undefined;
}

/** A record, and how fresh it is. */
export interface FoundAs extends Found {
  readonly served: Consistency;
  /** Of a stale read: since the replica last heard its primary. 0: it is the primary. */
  readonly lagMs: number;
}

export class Keyspace {
  constructor(
    private readonly router: Router,
    private readonly here: PartitionsHere,
    private readonly limits: DataLimits,
  ) {}

  /** Keys whose primary is on this worker. */
  get keys(): number {
    return this.here.primaries().reduce((sum, { keys }) => sum + keys, 0);
  }

  /** Bytes of those keys and their values. */
  get bytes(): number {
    return this.here.primaries().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Answers at once when the key is here and its data in memory.
   * @throws StoreError key-empty, key-too-long, record-corrupt, retry-later
   */
  get(key: Buffer): Found | Promise<Found> {
    checkKey(key);
    const holders = this.router.route(key);
    const { local, partition } = holders;
    if (local === undefined) return this.getThere(key, partition);
    try {
      const record = local.get(key);
      if (!(record instanceof Promise)) return { record, holders };
      return record.then(
        (awaited) => ({ record: awaited, holders }),
        (error: unknown) => this.getAgain(key, partition, error),
      );
    } catch (error) {
      return this.getAgain(key, partition, error);
    }
  }

  /**
   * As `get`, as fresh as is asked for. A stale read is served by the replica that is here. Where there is none, or it
   * is not to be read because it is being made anew, the primary is asked, and what is served is linearizable.
   * @throws StoreError as `get`; too-many-requests
   */
  async getAs(key: Buffer, consistency: Consistency): Promise<FoundAs> {
    checkKey(key);
    const { partition } = this.router.route(key);
    if (consistency === 'confirmed') {
      const record = await this.router.getConfirmed(partition, key);
      return { record, holders: this.router.routeTo(partition), served: 'confirmed', lagMs: 0 };
    }
    const found = consistency === 'stale' ? await this.readHere(partition, key) : undefined;
    if (found === undefined) return { ...(await this.get(key)), served: 'linearizable', lagMs: 0 };
    const { record, lagMs } = found;
    return { record, holders: this.router.routeTo(partition), served: 'stale', lagMs };
  }

  /** Undefined: there is no replica here that may be read. @throws StoreError record-corrupt */
  private async readHere(partition: PartitionId, key: Buffer): Promise<StaleRecord | undefined> {
    try {
      return await this.here.replica(partition)?.readStale(key);
    } catch (error) {
      if (isStoreError(error, 'retry-later')) return undefined;
      throw error;
    }
  }

  /** Whether a stale read of the partition is answered here. */
  hasReplica(partition: PartitionId): boolean {
    return this.here.replica(partition) !== undefined;
  }

  /**
   * Does the operation where its keys are, and resolves when it is durable on every replica. For a clear, see `clear`.
   * REQUIRES: its buffers do not change until this settles.
   * @param request makes a repetition safe.
   * @throws StoreError here and now: as `checkOperation`; cross-slot: the keys are not all in one partition;
   *   bad-request: there are none. Rejects with disk-full, too-many-requests, record-corrupt, store-closed,
   *   retry-later: nothing was done; store-failed, outcome-unknown: unknown.
   */
  perform(operation: Operation, request?: Request): Promise<Done> {
    checkOperation(operation, this.limits);
    const { partition, local } = this.routeOf(operation);
    if (local === undefined || operation.type === 'get')
      return this.performThere(partition, operation, request);
    return local.perform(operation, request).then(
      (performed) => this.doneIn(partition, performed),
      (error: unknown) => {
        if (!isStoreError(error, 'retry-later')) throw error;
        return this.performThere(partition, operation, request);
      },
    );
  }

  /** Wherever it is, for as long as a failover may take. */
  private async performThere(partition: PartitionId, operation: Operation, request?: Request): Promise<Done> {
    return this.doneIn(
      partition,
      operation.type === 'get'
        ? done({ type: 'value', record: await this.router.get(partition, operation.key) })
        : await this.router.perform(partition, operation, request),
    );
  }

  /** Asked after the operation, which may have had to renew a map that did not know the holders yet. */
  private doneIn(partition: PartitionId, { result, repeated }: Performed): Done {
    return { result, repeated, partition, replicas: this.router.routeTo(partition).replicas };
  }

  /** Stores the value, whatever was there, for ever. @throws as `perform` */
  async put(
    key: Buffer,
    value: Buffer,
    options: Partial<Pick<Put, 'contentType' | 'expiry'>> = {},
  ): Promise<Receipt & { readonly created: boolean }> {
    const { contentType, expiry = { type: 'never' } } = options;
    const put = { type: 'put', key, value, contentType, expiry, conditions: [], returnOld: false } as const;
    const { result, partition, replicas } = await this.perform(put);
    if (result.type !== 'stored') throw unexpected(result);
    return { version: result.version, created: result.created, partition, replicas };
  }

  /** Resolves with undefined when there was nothing to delete. @throws as `perform`, but never disk-full. */
  async delete(key: Buffer): Promise<Receipt | undefined> {
    const { result, partition, replicas } = await this.perform({ type: 'delete', key, conditions: [], returnOld: false });
    if (result.type === 'absent') return undefined;
    if (result.type !== 'deleted') throw unexpected(result);
    return { version: result.version, partition, replicas };
  }

  /** Removes every key; under placement `local`, every key of this worker. @throws as `delete` */
  clear(): Promise<{ removed: number; workers: number[] }> {
    return this.router.clear();
  }

  /** All of the keyspace; under placement `local`, this worker's. @throws StoreError retry-later */
  partitions(): readonly PartitionId[] {
    return this.router.partitions();
  }

  /** @throws StoreError retry-later */
  partitionOf(key: Buffer): PartitionId {
    return this.router.route(key).partition;
  }

  /** How full a partition is, wherever it is. @throws StoreError retry-later */
  counts(partition: PartitionId): Promise<Counts> {
    return this.router.counts(partition);
  }

  /**
   * One bounded step through the live records of a partition: see `Partition.page`. Positions are keys, or what an
   * earlier page gave as `next`.
   * @throws StoreError key-too-long, record-corrupt, retry-later
   */
  async page(
    partition: PartitionId,
    from: Buffer,
    to: Buffer | undefined,
    options: PageOptions,
  ): Promise<RecordPage> {
    checkPosition(from);
    if (to !== undefined) checkPosition(to);
    return this.router.page(partition, from, to, options);
  }

  /** After `error` said that the partition is not to be read here at this moment. */
  private getAgain(key: Buffer, partition: PartitionId, error: unknown): Promise<Found> {
    if (!isStoreError(error, 'retry-later')) throw error;
    return this.getThere(key, partition);
  }

  private async getThere(key: Buffer, partition: PartitionId): Promise<Found> {
    const record = await this.router.get(partition, key);
    return { record, holders: this.router.routeTo(partition) };
  }

  /** @throws StoreError cross-slot, bad-request, retry-later */
  private routeOf(operation: Operation): Route {
    if (operation.type !== 'transaction' && operation.type !== 'clear') {
      const route = this.router.route(operation.key);
      if (operation.type !== 'copy' && operation.type !== 'bit-operation') return route;
    }
    const [first, ...others] = keysOf(operation);
    if (first === undefined) throw new StoreError('bad-request', 'The operation names no key.');
    const route = this.router.route(first);
    for (const key of others) {
      if (this.router.route(key).partition === route.partition) continue;
      const detail = 'The keys of this operation are in more than one partition.';
      throw new StoreError('cross-slot', detail, { facts: { keys64: [first, key].map((one) => one.toString('base64url')) } });
    }
    return route;
  }
}

function done(result: Result): Performed {
  return { result, repeated: false };
}

/** Empty, a key, or what follows the longest one. */
function checkPosition(position: Buffer): void {
  if (position.length > KEY_BYTES_MAX) checkKey(position.subarray(0, -1));
}

function unexpected({ type }: Result): StoreError {
  return new StoreError('internal', `An operation ended as ${type}.`);
}
