/**
 * How much of the log is kept for those who catch up: a budget in bytes, an age, and a bound on the number of epochs.
 * Trimming is each replica's own affair: nobody who is in sync ever lacks what another has applied.
 */
import { invariant } from '@diststore/base';

import type { Seq } from '../entry.js';
import { SEGMENTS_MAX } from '../limits.js';
import type { DiskQueue } from './disk-queue.js';
import type { ReplicaState } from './replica-state.js';

export class LogBudget {
  /** Where the log ended at some moments of the last `logMaxAgeMs`. */
  private ageMarks: { seq: Seq; atMs: number }[] = [];

  constructor(
    private readonly s: ReplicaState,
    private readonly disk: DiskQueue,
  ) {}

  forget(): void {
    this.ageMarks = [];
  }

  trim(): void {
    const { s } = this;
    const { log } = s;
    const through = Math.min(this.keptFor(this.spent()), s.applied);
    if (through <= log.base || through <= s.queuedState.base) return;
    const baseVer = log.verAt(through);
    invariant(baseVer !== undefined, 'the version of an entry in the log is known', { through });
    const after = s.queuedState.base;
    s.queuedState = { ...s.queuedState, base: through, baseVer };
    log.trim(through);
    this.disk.persist({ writes: [{ type: 'trim', after, through, state: s.queuedState }], urgent: false });
  }

  /** Through where the log is beyond its budget. */
  private spent(): Seq {
    const { log, timing, nowMs, logBytes } = this.s;
    let through = log.seqBeyond(logBytes);
    const newest = this.ageMarks.at(-1);
    if (newest === undefined || nowMs - newest.atMs >= timing.logMaxAgeMs / 8)
      this.ageMarks.push({ seq: log.last, atMs: nowMs });
    while (this.ageMarks.length > 0 && nowMs - (this.ageMarks[0]?.atMs ?? nowMs) > timing.logMaxAgeMs)
      through = Math.max(through, this.ageMarks.shift()?.seq ?? 0);
    if (this.isCrowded)
      through = Math.max(through, (log.segments[log.segments.length >> 1]?.firstSeq ?? 1) - 1);
    return through;
  }

  private get isCrowded(): boolean {
    return this.s.log.segments.length > SEGMENTS_MAX / 2;
  }

  /** The same, less what a peer still needs. */
  private keptFor(spent: Seq): Seq {
    const { log, peers, logBytes } = this.s;
    let through = spent;
    for (const { installed, acked, snapshot } of peers.values()) {
      if (snapshot !== undefined) through = Math.min(through, snapshot.state?.applied ?? log.base);
      // One who is catching up gets twice the budget before it must start over with a snapshot.
      else if (installed && log.bytes < 2 * logBytes && !this.isCrowded) through = Math.min(through, acked);
    }
    return through;
  }
}
