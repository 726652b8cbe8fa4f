/**
 * Group commit: everything that arrives while one fsync is under way shares the next one. Throughput rises with
 * load, and an idle store answers in one fsync.
 *
 *     write ──► queue (bounded) ──► round (bounded) ──► one fsynced batch ──► settle in order
 *                   ▲                                          │
 *                   └────── arrivals meanwhile wait ◄──────────┘  at most one batch in flight
 *
 * Invariants: writes reach the disk in the order of the calls; a write settles only after the batch that holds it;
 * a write is never split over two batches; after a failed batch nothing more is written (a retry after a failed
 * fsync may order writes wrongly, and the kernel may have dropped the dirty pages).
 *
 * This is LevelDB's own writer queue (db/db_impl.cc, `Write`) moved in front of the binding, where joining a batch
 * costs no thread.
 */
import { invariant, StoreError } from '@diststore/base';

import { messageOf } from './caught.js';
import { QUEUE_BYTES_MAX, QUEUE_WRITES_MAX, ROUND_BYTES_MAX, ROUND_WRITES_MAX } from './limits.js';
import type { StorageObserver, Trailer, WriteOp } from './storage.js';

/** Makes `ops` durable, all or none. Called with one batch at a time. */
export type CommitBatch = (ops: readonly WriteOp[]) => Promise<void>;

interface QueuedWrite {
  readonly ops: readonly WriteOp[];
  readonly trailer: Trailer | undefined;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What LevelDB adds to each operation in its log: a tag and two lengths. */
const OP_OVERHEAD_BYTES = 12;

function sizeOf(ops: readonly WriteOp[]): number {
  let bytes = 0;
  for (const op of ops)
    bytes += OP_OVERHEAD_BYTES + op.key.length + (op.type === 'put' ? op.value.length : 0);
  return bytes;
}

export class GroupCommit {
  private queue: QueuedWrite[] = [];
  private queuedBytes = 0;
  private state: 'open' | 'failed' | 'closed' = 'open';
  private running = false;
  private idle: (() => void)[] = [];

  constructor(
    private readonly commitBatch: CommitBatch,
    private readonly observer: StorageObserver = {},
  ) {}

  /** See Storage.write: a refusal is thrown here and now, a failure rejects. */
  write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void> {
    if (this.state !== 'open') {
      throw new StoreError('store-closed', `The store is ${this.state}; nothing was written.`);
    }
    const bytes = sizeOf(ops);
    const { length } = this.queue;
    // A write larger than the whole queue still passes an empty one, or it could never be written.
    if (length >= QUEUE_WRITES_MAX || (length > 0 && this.queuedBytes + bytes > QUEUE_BYTES_MAX)) {
      const facts = { queuedWrites: length, queuedBytes: this.queuedBytes };
      throw new StoreError('too-many-requests', 'The write queue is full; nothing was written.', { facts });
    }
    this.queuedBytes += bytes;
    if (!this.running) {
      this.running = true;
      // Not at once: the other requests of this turn of the event loop shall ride along.
      setImmediate(() => void this.run());
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ ops, trailer, bytes, resolve, reject });
    });
  }

  /** Refuses new writes and resolves when the accepted ones have settled. */
  async close(): Promise<void> {
    if (this.state === 'open') this.state = 'closed';
    if (this.running) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Never rejects: a failed batch is told to its writers and to the observer. */
  private async run(): Promise<void> {
    while (this.queue.length > 0) {
      const round = this.takeRound();
      const startMs = performance.now();
      try {
        await this.commitBatch(seal(round.writes));
      } catch (error) {
        this.fail(round.writes, error);
        break;
      }
      for (const write of round.writes) write.resolve();
      this.observer.round?.({
        writes: round.writes.length,
        bytes: round.bytes,
        durationMs: performance.now() - startMs,
      });
    }
    this.running = false;
    for (const wake of this.idle.splice(0)) wake();
  }

  /** The longest prefix of the queue within the bounds of a round; a larger single write rides alone. */
  private takeRound(): { writes: QueuedWrite[]; bytes: number } {
    let bytes = 0;
    let count = 0;
    for (const write of this.queue) {
      if (count > 0 && (count === ROUND_WRITES_MAX || bytes + write.bytes > ROUND_BYTES_MAX)) break;
      bytes += write.bytes;
      count += 1;
    }
    const writes = count === this.queue.length ? this.queue : this.queue.slice(0, count);
    this.queue = count === this.queue.length ? [] : this.queue.slice(count);
    this.queuedBytes -= bytes;
    invariant(this.queuedBytes >= 0, 'queued bytes never go negative', { queuedBytes: this.queuedBytes });
    return { writes, bytes };
  }

  private fail(inFlight: readonly QueuedWrite[], cause: unknown): void {
    this.state = 'failed';
    const error = new StoreError('store-failed', `Writing to disk failed: ${messageOf(cause)}`, { cause });
    for (const write of inFlight) write.reject(error);
    const refused = new StoreError('store-closed', 'An earlier write failed; this one was not attempted.', {
      cause,
    });
    for (const write of this.queue.splice(0)) write.reject(refused);
    this.queuedBytes = 0;
    this.observer.failed?.(error);
  }
}

function seal(writes: readonly QueuedWrite[]): WriteOp[] {
  const ops: WriteOp[] = [];
  const trailers = new Map<object, Trailer>();
  for (const write of writes) {
    for (const op of write.ops) ops.push(op);
    if (write.trailer !== undefined) trailers.set(write.trailer.slot, write.trailer);
  }
  for (const trailer of trailers.values()) ops.push(trailer.toOp());
  return ops;
}
