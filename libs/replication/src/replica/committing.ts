/**
 * From durable to committed to applied.
 *
 *     durable here and on every required member ──► committed, answered, visible ──► in the data, some time
 *
 * A primary commits when the rules say so; a secondary takes its primary's word for it. Both then apply the same
 * entries in the same order. The cheap path of a sole replica turns this around: there the batch that applies is the
 * one disk that counts, and its completion is the commit.
 */
import type { Ver } from '@diststore/cluster';

import { appliedAfter } from '../durable-state.js';
import type { Entry, Seq } from '../entry.js';
import type { DiskQueue, Pending } from './disk-queue.js';
import type { Handovers } from './handovers.js';
import type { HeldAnswers } from './held-answers.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

export class Committing {
  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly disk: DiskQueue,
    private readonly held: HeldAnswers,
    private readonly handovers: Handovers,
  ) {}

  /** Of a primary: asked after whatever may have moved the commit point, or the right to move it. */
  tryCommit(): void {
    if (this.s.role !== 'primary' || !this.rules.mayServeNow()) return;
    const seq = this.rules.commitPoint();
    if (seq > this.s.committed) this.commitThrough(seq);
    this.held.give();
    if (this.handovers.isUnderWay) this.handovers.consider();
  }

  private commitThrough(through: Seq): void {
    const { s } = this;
    if (through > s.log.last) throw s.broken('only what is in the log is committed', { through });
    const isEnough = s.seen !== null && this.rules.mayAcknowledge(s.seen);
    const entries = s.entriesFrom(s.committed + 1, through);
    s.committed = through;
    for (const entry of entries) {
      s.windowBytes -= entry.size;
      this.noteClear(entry);
      if (entry.seq > s.applied) s.pendingWrites.commit(entry);
      for (const { client, repeated } of s.pendingWrites.takeWaiters(entry.seq)) {
        s.reply(
          client,
          isEnough
            ? { type: 'ok', seq: entry.seq, result: entry.result, repeated }
            : { type: 'unknown', reason: 'under-replicated' },
        );
      }
    }
    this.enqueueApply();
  }

  /** Of a secondary: its primary has committed through here. REQUIRES: `seq` is in the log. */
  learnCommitted(seq: Seq): void {
    const { s } = this;
    if (seq <= s.committed) return;
    const from = s.committed;
    s.committed = seq;
    for (let at = from + 1; at <= seq; at += 1) {
      const entry = s.log.at(at);
      if (entry !== undefined) this.noteClear(entry);
    }
    this.enqueueApply();
  }

  private noteClear(entry: Entry): void {
    for (const op of entry.ops)
      if (op.type === 'clear' && op.through > this.s.committedClear) this.s.committedClear = op.through;
  }

  /** Committed entries go into the data, some time. */
  private enqueueApply(): void {
    const { s } = this;
    const from = s.queuedState.applied;
    // What the flush has not enqueued yet cannot be applied before it.
    const through = Math.min(s.committed, s.flushedTo);
    if (through <= from) return;
    const entries = s.entriesFrom(from + 1, through);
    s.queuedState = appliedAfter(s.queuedState, entries);
    this.disk.persist({
      writes: [{ type: 'apply', entries, state: s.queuedState }],
      urgent: false,
      applied: through,
    });
  }

  onPersisted(number: number, ver: Ver | null): void {
    const { s } = this;
    this.disk.complete(number, ver, (pending) => {
      if (pending.urgentSinceMs !== undefined && s.nowMs - pending.urgentSinceMs > s.timing.stallMs)
        s.noteStall();
      this.complete(pending);
    });
  }

  private complete(pending: Pending): void {
    const { s } = this;
    const through = this.rules.completedThrough(pending.appended);
    if (through > s.durable) s.durable = through;
    if (pending.applied > s.applied) this.completeApply(pending.applied);
    pending.then?.();
    if (s.durable > s.log.last) throw s.broken('durable <= last');
  }

  private completeApply(through: Seq): void {
    const { s } = this;
    for (let seq = s.applied + 1; seq <= through; seq += 1) s.pendingWrites.applied(s.entryAt(seq));
    s.applied = through;
    if (s.role === 'primary' && s.committed < through) {
      // The cheap path: here the data is the log, and the only disk that counts has it.
      if (s.seen?.insync.length !== 1) throw s.broken('only a sole replica applies before it commits');
      this.commitThrough(through);
    }
    if (s.committed < through) s.committed = through;
    if (s.applied > s.durable) throw s.broken('applied <= durable');
    const { base } = s.queuedState;
    if (base > s.log.base && base <= s.applied) s.log.trim(base);
    if (s.log.memoryBytes > s.logMemoryBytes)
      s.log.evict(Math.min(s.log.memorySeqBeyond(s.logMemoryBytes), s.applied));
  }
}
