/** Keeps the map's word on which workers are up, at the pace of their reports. */
import type { Log } from '@diststore/process';

import type { WorkerRegistry } from './worker-registry.js';

export class PresenceWatch {
  private readonly timer: NodeJS.Timeout;
  private looking: Promise<void> | undefined;

  constructor(
    private readonly registry: WorkerRegistry,
    private readonly log: Log,
    intervalMs: number,
  ) {
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => (this.looking = undefined));
    }, intervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** Never rejects: what failed is tried again at the next interval. */
  private async look(): Promise<void> {
    try {
      await this.registry.updatePresences();
    } catch (error) {
      this.log.warn(`Presence not updated: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
