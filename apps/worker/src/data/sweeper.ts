/**
 * Removes in the background what readers can no longer see: expired records, and the rows that a clear left behind.
 * In small steps with pauses for requests between them, so a sweep of a million rows delays nobody.
 */
import type { Log } from '@diststore/process';

import type { Partition } from './partition.js';

/** A sweep that takes longer says how far it is. */
const PROGRESS_EVERY_MS = 5000;

export class Sweeper {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(
    private readonly partition: Partition,
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
      await this.removeCleared(signal);
      let more = true;
      while (more && !signal.aborted) more = await this.partition.sweepExpired();
    } catch (error) {
      this.log.warn(`Sweep put off: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async removeCleared(signal: AbortSignal): Promise<void> {
    while (this.partition.clearPending && !signal.aborted) {
      const { clearedThrough } = this.partition;
      let nextReportMs = performance.now() + PROGRESS_EVERY_MS;
      let steps = 0;
      let from: Buffer | undefined;
      do {
        from = await this.partition.sweepCleared(from);
        steps += 1;
        if (performance.now() > nextReportMs) {
          this.log.log(`Removing cleared rows: ${steps} steps done`);
          nextReportMs = performance.now() + PROGRESS_EVERY_MS;
        }
      } while (from !== undefined && !signal.aborted);
      // A clear that came during the sweep has left rows in the part already swept: then go through it again.
      if (from === undefined) await this.partition.finishClear(clearedThrough);
    }
  }
}
