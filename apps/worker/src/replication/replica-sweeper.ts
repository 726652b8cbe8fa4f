/**
 * Removes in the background what readers can no longer see: expired records, through the log of each partition led
 * from here; and on every replica what a clear has hidden, old results of requests, and trimmed log. In small steps
 * with room for requests between them, so that a sweep of a million rows delays nobody.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { type Log, Periodic } from '@diststore/process';

import type { ReplicatedPartition } from './replicated-partition.js';

export class ReplicaSweeper {
  private passes: Periodic | undefined;

  constructor(
    private readonly partitions: { replicas(): readonly ReplicatedPartition[] },
    private readonly log: Log,
    private readonly intervalMs: number,
  ) {}

  start(): void {
    const { intervalMs, log } = this;
    this.passes = new Periodic((signal) => this.sweep(signal), { name: 'Sweep', intervalMs, log });
  }

  async stop(): Promise<void> {
    await this.passes?.stop();
  }

  /** Never rejects: what could not be removed now is still there, and hidden, at the next interval. */
  private async sweep(signal: AbortSignal): Promise<void> {
    const pause = async (): Promise<boolean> => {
      await nextTurn();
      return !signal.aborted;
    };
    for (const partition of this.partitions.replicas()) {
      if (signal.aborted) return;
      try {
        await partition.sweepLeftovers(pause);
        while ((await pause()) && (await partition.sweepExpired())) continue;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.log.warn(`Sweep of partition ${partition.id} put off: ${reason}`);
      }
    }
  }
}
