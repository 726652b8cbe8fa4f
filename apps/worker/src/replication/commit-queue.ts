/**
 * Everything that replicas make durable, of all partitions of a worker: one queue, first in, first out, in front of
 * the storage, which makes fsynced batches of it.
 *
 *     persist ──► queue ──► one write per turn ──► storage (group commit, one batch in flight) ──► durable ──► told
 *                   ▲                                                                               once per replica
 *                   └── what is not urgent waits up to `applyDelayMs` for something that is
 *
 * Invariants:
 * - Writes of one replica reach the disk in the order in which they were enqueued, and are told in that order.
 * - A write that is told as durable was fsynced with everything before it.
 * - After a failed write nothing is told any more: `failed` ends the process, for nobody knows what is on the disk.
 *
 * Erasing a partition takes many batches. Meanwhile that partition's own writes wait behind it, and those of others
 * pass: order matters within a replica only.
 *
 * Source: replication.md, sections 2.1 (commit loop) and amendment 3 (completions name what they complete).
 */
import { isStoreError } from '@diststore/base';
import type { PartitionId, Ver } from '@diststore/cluster';
import type { DurableWrite } from '@diststore/replication';
import type { Storage, WriteOp } from '@diststore/storage';

import { HANDED_BYTES_MAX, HANDED_WRITES_MAX, REFUSED_RETRY_MS, WRITE_BYTES_MAX } from './limits.js';
import { asBuffer } from './store/durable-ops.js';
import type { UnderWay } from './store/leftovers.js';

/** One `persist` effect of one replica. */
export interface Persist<Owner extends object> {
  readonly owner: Owner;
  readonly partition: PartitionId;
  readonly number: number;
  readonly ver: Ver | null;
  readonly urgent: boolean;
  readonly writes: readonly DurableWrite[];
  /** Called instead of `persisted`. */
  readonly then?: () => void;
}

export interface CommitQueueOptions<Owner extends object> {
  readonly storage: Pick<Storage, 'write'>;
  /** The rows of what one partition wants durable in one batch, in its order. Never asked about an `erase`. */
  readonly opsOf: (partition: PartitionId, writes: readonly DurableWrite[]) => readonly WriteOp[];
  /** Deletes every row of a partition but row 01, durably. */
  readonly erase: (partition: PartitionId) => Promise<void>;
  /** For each replica, once per batch: what of it is durable now, in its order; one at least. */
  readonly persisted: (owner: Owner, items: readonly [Persist<Owner>, ...Persist<Owner>[]]) => void;
  readonly failed: (error: unknown) => void;
  readonly applyDelayMs: number;
}

interface Queued<Owner extends object> {
  readonly item: Persist<Owner>;
  readonly bytes: number;
}

/** One write that the storage has and has not made durable yet. */
interface Handed<Owner extends object> {
  readonly items: readonly Queued<Owner>[];
  readonly bytes: number;
}

export class CommitQueue<Owner extends object> {
  private queue: Queued<Owner>[] = [];
  private queuedBytes = 0;
  /** Number of urgent writes in `queue`. */
  private urgent = 0;
  /** What is in `queue` has waited for company long enough. */
  private isLate = false;
  /** A short list and not a set: a set that is filled and emptied all the time keeps what was in it from the collector. */
  private readonly handed: Handed<Owner>[] = [];
  private handedBytes = 0;
  private handedItems = 0;
  private lastHanded: Promise<void> = Promise.resolve();
  /** Partitions that are being erased, with what waits behind that. */
  private readonly erasing = new Map<PartitionId, Queued<Owner>[]>();
  private done: Persist<Owner>[] = [];
  private dispatchScheduled = false;
  private lazyTimer: NodeJS.Timeout | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private state: 'open' | 'failed' | 'closed' = 'open';

  constructor(private readonly options: CommitQueueOptions<Owner>) {}

  /** Enqueued and not durable, in bytes, about. */
  get bytes(): number {
    return this.queuedBytes + this.handedBytes;
  }

  enqueue(item: Persist<Owner>): void {
    if (this.state !== 'open') return;
    const queued = { item, bytes: sizeOf(item) };
    this.queue.push(queued);
    this.noteQueued(queued);
  }

  /** Lets nothing wait for company any longer. */
  hurry(): void {
    if (this.queue.length === 0) return;
    this.isLate = true;
    this.dispatch();
  }

  /**
   * What enqueued writes put or delete in the data of a partition; undefined while it is being replaced as a whole.
   * For who removes rows beside the log, which must not overtake a newer write of the same row.
   */
  underWay(partition: PartitionId): UnderWay | undefined {
    if (this.erasing.has(partition)) return undefined;
    const found = { keys: new Set<string>(), requests: new Set<string>() };
    for (const list of [this.queue, ...this.handed.map(({ items }) => items)])
      for (const { item } of list) {
        if (item.partition === partition && !addNames(item, found)) return undefined;
      }
    return found;
  }

  /** Takes nothing more and tells nothing more. What was handed to the storage is its own to finish. */
  close(): void {
    this.end('closed');
  }

  private noteQueued({ item, bytes }: Queued<Owner>): void {
    this.queuedBytes += bytes;
    if (item.urgent) {
      this.urgent += 1;
      this.schedule();
    } else if (this.urgent === 0) {
      this.lazyTimer ??= setTimeout(() => {
        this.lazyTimer = undefined;
        this.hurry();
      }, this.options.applyDelayMs);
    }
  }

  /** At the end of this turn, so that all that the turn enqueues leaves as one write. */
  private schedule(): void {
    if (this.dispatchScheduled) return;
    this.dispatchScheduled = true;
    queueMicrotask(() => {
      this.dispatchScheduled = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    while (this.state === 'open' && this.queue.length > 0 && (this.isLate || this.urgent > 0)) {
      if (this.handedBytes >= HANDED_BYTES_MAX || this.handedItems >= HANDED_WRITES_MAX) return;
      if (!this.handOver()) return;
    }
    if (this.queue.length > 0) return;
    this.isLate = false;
    clearTimeout(this.lazyTimer);
    this.lazyTimer = undefined;
  }

  /** Hands the front of the queue to the storage as one write. @returns false when the storage refuses. */
  private handOver(): boolean {
    const first = this.queue[0];
    if (first !== undefined && isErase(first.item)) {
      this.take(1);
      this.park(first);
      return true;
    }
    const items: Queued<Owner>[] = [];
    const writes = new Map<PartitionId, DurableWrite[]>();
    let bytes = 0;
    let count = 0;
    for (const queued of this.queue) {
      const { item } = queued;
      // What comes behind an erase goes with a later write.
      if (bytes >= WRITE_BYTES_MAX || isErase(item)) break;
      count += 1;
      if (this.erasing.has(item.partition)) continue;
      const before = writes.get(item.partition);
      if (before === undefined) writes.set(item.partition, [...item.writes]);
      else before.push(...item.writes);
      items.push(queued);
      bytes += queued.bytes;
    }
    if (items.length > 0 && !this.write(writes, { items, bytes })) return false;
    for (const queued of this.take(count)) this.erasing.get(queued.item.partition)?.push(queued);
    return true;
  }

  private write(writes: ReadonlyMap<PartitionId, readonly DurableWrite[]>, handed: Handed<Owner>): boolean {
    const ops: WriteOp[] = [];
    for (const [partition, list] of writes)
      for (const op of this.options.opsOf(partition, list)) ops.push(op);
    let durable: Promise<void>;
    try {
      durable = this.options.storage.write(ops);
    } catch (error) {
      this.refused(error);
      return false;
    }
    const { items, bytes } = handed;
    this.handed.push(handed);
    this.handedBytes += bytes;
    this.handedItems += items.length;
    this.lastHanded = durable.then(
      () => {
        this.handed.splice(this.handed.indexOf(handed), 1);
        this.handedBytes -= bytes;
        this.handedItems -= items.length;
        for (const { item } of items) this.complete(item);
      },
      (error: unknown) => this.fail(error),
    );
    return true;
  }

  private take(count: number): readonly Queued<Owner>[] {
    const taken = this.queue.slice(0, count);
    this.queue = count === this.queue.length ? [] : this.queue.slice(count);
    for (const { item, bytes } of taken) {
      this.queuedBytes -= bytes;
      if (item.urgent) this.urgent -= 1;
    }
    return taken;
  }

  /** The storage's own queue is full, of others' writes too. Nothing was taken; the order stays. */
  private refused(error: unknown): void {
    if (!isStoreError(error, 'too-many-requests')) {
      this.fail(error);
      return;
    }
    this.retryTimer ??= setTimeout(() => {
      this.retryTimer = undefined;
      this.hurry();
    }, REFUSED_RETRY_MS);
  }

  private park(queued: Queued<Owner>): void {
    const { partition } = queued.item;
    const parked = this.erasing.get(partition);
    if (parked !== undefined) {
      parked.push(queued);
      return;
    }
    this.erasing.set(partition, []);
    this.erase(queued.item).catch((error: unknown) => this.fail(error));
  }

  private async erase(item: Persist<Owner>): Promise<void> {
    const { partition, writes } = item;
    // What was written before must be there to be erased.
    await this.lastHanded;
    for (const write of writes) {
      if (this.state !== 'open') return;
      await this.patiently(() =>
        write.type === 'erase'
          ? this.options.erase(partition)
          : this.options.storage.write(this.options.opsOf(partition, [write])),
      );
    }
    const parked = this.erasing.get(partition) ?? [];
    this.erasing.delete(partition);
    this.complete(item);
    // Before what came since, which may be of the same partition.
    this.queue = [...parked, ...this.queue];
    for (const queued of parked) this.noteQueued(queued);
  }

  /** Again and again while the storage's queue is full. Erasing may be repeated. */
  private async patiently(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await write();
        return;
      } catch (error) {
        if (!isStoreError(error, 'too-many-requests') || this.state !== 'open') throw error;
        await new Promise((resolve) => setTimeout(resolve, REFUSED_RETRY_MS));
      }
    }
  }

  /** Writes of one round settle one after the other in one turn: they are told together, behind the last of them. */
  private complete(item: Persist<Owner>): void {
    this.done.push(item);
    if (this.done.length === 1) queueMicrotask(() => this.tell());
  }

  private tell(): void {
    const { done } = this;
    this.done = [];
    if (this.state !== 'open') return;
    const byOwner = new Map<Owner, [Persist<Owner>, ...Persist<Owner>[]]>();
    for (const item of done) {
      const items = byOwner.get(item.owner);
      if (item.then !== undefined) item.then();
      else if (items === undefined) byOwner.set(item.owner, [item]);
      else items.push(item);
    }
    for (const [owner, items] of byOwner) this.options.persisted(owner, items);
    this.dispatch();
  }

  private fail(error: unknown): void {
    if (this.state !== 'open') return;
    this.end('failed');
    this.options.failed(error);
  }

  private end(state: 'failed' | 'closed'): void {
    this.state = state;
    this.queue = [];
    clearTimeout(this.lazyTimer);
    clearTimeout(this.retryTimer);
  }
}

function isErase({ writes }: Persist<object>): boolean {
  return writes.some(({ type }) => type === 'erase');
}

/** What a row takes besides what is in it, about. */
const ROW_OVERHEAD_BYTES = 64;

function sizeOf(item: Persist<object>): number {
  let bytes = 0;
  for (const write of item.writes) {
    bytes += ROW_OVERHEAD_BYTES;
    if (write.type === 'append' || write.type === 'apply')
      for (const { ops } of write.entries) {
        bytes += ROW_OVERHEAD_BYTES;
        for (const op of ops)
          if (op.type !== 'clear')
            bytes += ROW_OVERHEAD_BYTES + op.key.length + (op.type === 'put' ? op.payload.length : 0);
      }
    else if (write.type === 'rows')
      for (const { key, value } of write.rows) bytes += key.length + value.length;
    else if (write.type === 'trim' || write.type === 'truncate') bytes += (write.through - write.after) * 24;
  }
  return bytes;
}

/** @returns false: the item replaces the partition as a whole. */
function addNames(
  { writes }: Persist<object>,
  { keys, requests }: { keys: Set<string>; requests: Set<string> },
): boolean {
  for (const write of writes) {
    if (write.type === 'erase' || write.type === 'rows') return false;
    if (write.type !== 'apply') continue;
    for (const { ops, request } of write.entries) {
      for (const op of ops) if (op.type !== 'clear') keys.add(asBuffer(op.key).toString('latin1'));
      if (request !== undefined) requests.add(request.id);
    }
  }
  return true;
}
