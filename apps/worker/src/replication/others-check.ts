/**
 * Before a bad replica is erased: can those that go on without it give every record? Damage is only found by reading, so
 * the copy that took over may have some of its own, in records that are sound in the one to be erased. Two such faults
 * must not cost a record of which there is a sound copy.
 *
 * One partition at a time, because each is read as a whole where it is led. What the others cannot give is not theirs
 * to replace: the bad replica is kept, and they are asked again after a while.
 */
import type { PartitionId } from '@diststore/cluster';

import { CHECK_AGAIN_MS } from './limits.js';

export interface OthersCheckOptions {
  /** Reads every record of the partition where it is led now. Rejects when one of them, or all, cannot be read. */
  readonly readElsewhere: (partition: PartitionId) => Promise<void>;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly report: (problem: string) => void;
}

export class OthersCheck {
  private checks: Promise<void> = Promise.resolve();
  private readonly underWay = new Set<PartitionId>();
  private readonly notBeforeMs = new Map<PartitionId, number>();

  constructor(private readonly options: OthersCheckOptions) {}

  /** To be asked again and again until `passed` is called. Does nothing while the partition is being checked. */
  ask(partition: PartitionId, passed: () => void): void {
    if (this.underWay.has(partition)) return;
    if (this.options.nowMs() < (this.notBeforeMs.get(partition) ?? 0)) return;
    this.underWay.add(partition);
    this.checks = this.checks.then(() => this.check(partition, passed));
  }

  private async check(partition: PartitionId, passed: () => void): Promise<void> {
    const { readElsewhere, nowMs, report } = this.options;
    let isPassed = false;
    try {
      await readElsewhere(partition);
      isPassed = true;
    } catch (error) {
      this.notBeforeMs.set(partition, nowMs() + CHECK_AGAIN_MS);
      const reason = error instanceof Error ? error.message : String(error);
      report(
        `The bad replica of partition ${partition} is not erased yet, because not all was read elsewhere: ${reason}`,
      );
    }
    this.underWay.delete(partition);
    if (isPassed) passed();
  }
}
