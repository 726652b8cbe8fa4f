/**
 * The sending side of snapshots: takes one of the store for a learner that is too far behind for the log, and reads
 * it chunk by chunk as the replica asks. When to send what, and to whom, is the replica's to say.
 *
 * Bounded: a few sessions at a time, since each keeps old data in the store from being compacted, and so many bytes a
 * second over all of them, since every byte read here is one that clients wait behind. A session beyond the bound has
 * failed at once, and the learner asks again. So has one that comes soon after the partition could not be read: what is
 * damaged is still damaged, and each learner would be erased and sent all that comes before it over and over.
 */
import type { PartitionId, WorkerIndex } from '@diststore/cluster';
import type { AppliedState, ReplicaEvent, SnapshotRow } from '@diststore/replication';

import { SNAPSHOT_AGAIN_MS } from './limits.js';
import type { ReplicaObserver } from './replica-observer.js';

/** One snapshot of one partition; the rows are read from where the last chunk ended. */
export interface SnapshotReader {
  /** Row 02, as of the snapshot. */
  readonly state: AppliedState;
  /** About SNAPSHOT_CHUNK_BYTES. `done`: nothing follows. */
  next(): Promise<{
    readonly rows: readonly SnapshotRow[];
    readonly done: boolean;
    /** Damaged rows about requests, of which no replica has a sound one. */
    readonly lost: number;
  }>;
  close(): Promise<void>;
}

export interface SnapshotSourceOptions {
  /** @throws StoreError store-corrupt: it cannot be read as a whole. */
  readonly open: (partition: PartitionId) => Promise<SnapshotReader>;
  readonly sessionsMax: number;
  readonly bytesPerSecond: number;
  readonly observer: ReplicaObserver;
  readonly nowMs: () => number;
  /** Something went wrong that a person may want to know. */
  readonly report: (problem: string) => void;
}

/** Tells the replica that asked. It ignores what it no longer waits for. */
export type Tell = (event: ReplicaEvent) => void;

interface Session {
  readonly partition: PartitionId;
  readonly to: WorkerIndex;
  readonly tell: Tell;
  reader: SnapshotReader | undefined;
  isClosed: boolean;
  isSent: boolean;
}

export class SnapshotSource {
  private readonly sessions = new Map<string, Session>();
  /** Why partitions could not be read, and until when they are not read again. */
  private readonly unreadable = new Map<PartitionId, { readonly reason: string; readonly untilMs: number }>();
  private readonly timers = new Set<NodeJS.Timeout>();
  /** When the bytes read so far are paid for. */
  private freeAtMs = -Infinity;

  constructor(private readonly options: SnapshotSourceOptions) {}

  get count(): number {
    return this.sessions.size;
  }

  open(
    { partition, snapshotId, to }: { partition: PartitionId; snapshotId: number; to: WorkerIndex },
    tell: Tell,
  ): void {
    const { sessionsMax, observer, nowMs } = this.options;
    const key = keyOf(partition, snapshotId);
    const isUnreadable = nowMs() < (this.unreadable.get(partition)?.untilMs ?? -Infinity);
    if (this.sessions.size >= sessionsMax || isUnreadable) {
      // In a later turn: a replica is not told anything while it is being asked.
      this.after(0, () => tell({ type: 'snapshotFailed', snapshotId }));
      return;
    }
    const session: Session = { partition, to, tell, reader: undefined, isClosed: false, isSent: false };
    this.sessions.set(key, session);
    observer.snapshot?.(partition, to, 'begun');
    this.supervise(session, snapshotId, this.begin(session, snapshotId));
  }

  read({
    partition,
    snapshotId,
    index,
  }: {
    partition: PartitionId;
    snapshotId: number;
    index: number;
  }): void {
    const session = this.sessions.get(keyOf(partition, snapshotId));
    if (session?.reader === undefined) return;
    this.supervise(session, snapshotId, this.readChunk(session, session.reader, snapshotId, index));
  }

  close(partition: PartitionId, snapshotId: number): void {
    const key = keyOf(partition, snapshotId);
    const session = this.sessions.get(key);
    if (session === undefined) return;
    this.sessions.delete(key);
    this.end(session);
    this.options.observer.snapshot?.(partition, session.to, session.isSent ? 'sent' : 'given-up');
  }

  /** Of one partition, whose replica is gone. */
  closeAll(partition?: PartitionId): void {
    if (partition === undefined) this.unreadable.clear();
    else this.unreadable.delete(partition);
    for (const [key, session] of this.sessions) {
      if (partition !== undefined && session.partition !== partition) continue;
      this.sessions.delete(key);
      this.end(session);
    }
    if (partition !== undefined) return;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  private async begin(session: Session, snapshotId: number): Promise<void> {
    const reader = await this.options.open(session.partition);
    if (session.isClosed) {
      await reader.close();
      return;
    }
    session.reader = reader;
    session.tell({ type: 'snapshotOpened', snapshotId, state: reader.state });
  }

  private async readChunk(
    session: Session,
    reader: SnapshotReader,
    snapshotId: number,
    index: number,
  ): Promise<void> {
    const { rows, done, lost } = await reader.next();
    if (session.isClosed) return;
    if (done) this.unreadable.delete(session.partition);
    if (lost > 0) this.noteLost(session, lost);
    let bytes = 0;
    for (const { key, value } of rows) bytes += key.length + value.length;
    this.after(this.pay(bytes), () => {
      if (session.isClosed) return;
      session.isSent = done;
      session.tell({ type: 'snapshotRead', snapshotId, index, rows, done });
    });
  }

  private noteLost({ partition, to }: Session, lost: number): void {
    const { observer, report } = this.options;
    observer.lost?.(partition, lost);
    report(
      `Of partition ${partition} this is the only copy, and ${lost} rows about requests are damaged in it; ` +
        `worker ${to} is sent the rest. Repetitions of those requests are answered with outcome-unknown.`,
    );
  }

  /** @returns how long to wait before going on, in milliseconds. */
  private pay(bytes: number): number {
    const nowMs = this.options.nowMs();
    this.freeAtMs = Math.max(nowMs, this.freeAtMs) + (bytes / this.options.bytesPerSecond) * 1000;
    return this.freeAtMs - nowMs;
  }

  private after(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, delayMs);
    this.timers.add(timer);
  }

  private supervise(session: Session, snapshotId: number, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (session.isClosed) return;
      this.noteUnreadable(session, error instanceof Error ? error.message : String(error));
      session.tell({ type: 'snapshotFailed', snapshotId });
      // Also when the replica knows nothing of it any more.
      this.close(session.partition, snapshotId);
    });
  }

  /** Said once for each new reason: what needs a person may take days, and must not fill the log. */
  private noteUnreadable({ partition, to }: Session, reason: string): void {
    const { nowMs, report } = this.options;
    if (this.unreadable.get(partition)?.reason !== reason)
      report(`A snapshot of partition ${partition} for worker ${to} failed, and is tried again: ${reason}`);
    this.unreadable.set(partition, { reason, untilMs: nowMs() + SNAPSHOT_AGAIN_MS });
  }

  private end(session: Session): void {
    session.isClosed = true;
    session.reader?.close().catch((error: unknown) => {
      this.options.report(
        `A snapshot of partition ${session.partition} could not be closed: ${String(error)}`,
      );
    });
  }
}

function keyOf(partition: PartitionId, snapshotId: number): string {
  return `${partition} ${snapshotId}`;
}
