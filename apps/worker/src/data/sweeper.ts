/**
 * Removes in the background what readers can no longer see: expired records, and the rows that a clear left behind.
 * In small steps with pauses for requests between them, so a sweep of a million rows delays nobody.
 */
import type { Log } from '@diststore/process';

import type { PartitionHost } from './partition-host.js';
import type { Partition } from './partition.js';

/** A sweep that takes longer says how far it is. */
const PROGRESS_EVERY_MS = 5000;

export class Sweeper {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(
    private readonly host: PartitionHost,
    private readonly log: Log,
    private readonly intervalMs: number,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.sweeping ??= this.sweep().finally(() => (this.sweeping = undefined));
    }, this.intervalMs);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** Never rejects: what could not be removed now is still there, and hidden, at the next interval. */
  private async sweep(): Promise<void> {
    const { signal } = this.stopping;
    try {
      for (const partition of this.host.primaries()) {
        await this.removeCleared(partition, signal);
        let more = true;
        while (more && !signal.aborted) more = await partition.sweepExpired();
      }
    } catch (error) {
      this.log.warn(`Sweep put off: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async removeCleared(partition: Partition, signal: AbortSignal): Promise<void> {
    while (partition.clearPending) {
      const { clearedThrough } = partition;
      if (!(await this.sweepWholePartition(partition, signal))) return;
      // After a further clear meanwhile this does nothing, and the partition is gone through again.
      await partition.finishClear(clearedThrough);
    }
  }

  /** @returns false when it was stopped before the end. */
  private async sweepWholePartition(partition: Partition, signal: AbortSignal): Promise<boolean> {
    let from: Buffer | undefined;
    let nextReportMs = performance.now() + PROGRESS_EVERY_MS;
    for (let steps = 1; !signal.aborted; steps += 1) {
      from = await partition.sweepCleared(from);
      if (from === undefined) return true;
      if (performance.now() < nextReportMs) continue;
      this.log.log(`Removing cleared rows of partition ${partition.id}: ${steps} steps done`);
      nextReportMs = performance.now() + PROGRESS_EVERY_MS;
    }
    return false;
  }
}
