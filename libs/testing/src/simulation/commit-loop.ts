/**
 * The one writer of a worker: `persist` effects of all its replicas, first in, first out, into synced batches. One
 * batch is in flight; a crash finds it on the disk as a whole, or not at all.
 */
import type { Ver } from '@diststore/cluster';

import type { ObservedReplica } from './observed-replica.js';
import type { ProcessLife } from './process-life.js';
import type { PersistEffect, SimulatedDisk } from './simulated-disk.js';
import type { World } from './world.js';

export interface Queued {
  readonly partition: number;
  readonly effect: PersistEffect;
  /** Undefined: the host's own. */
  readonly replica: ObservedReplica | undefined;
  readonly then: (() => void) | undefined;
}

export interface Completion {
  readonly replica: ObservedReplica;
  readonly partition: number;
  readonly number: number;
  readonly ver: Ver | null;
}

export interface CommitLoopOptions {
  readonly disk: () => SimulatedDisk;
  /** How long a batch that nobody waits for waits for company. */
  readonly applyDelayMs: number;
  readonly completed: (completion: Completion) => void;
}

const BATCH_MAX = 40;

export class CommitLoop {
  slowUntilMs = 0;
  private queue: Queued[] = [];
  private inFlight: readonly Queued[] | undefined;
  private isInFlightWritten = false;
  private isLazyTimerSet = false;

  constructor(
    private readonly world: World,
    private readonly life: ProcessLife,
    private readonly options: CommitLoopOptions,
  ) {}

  enqueue(queued: Queued): void {
    this.queue.push(queued);
    this.kick();
  }

  /** The process ends: what is queued is lost, and what is in flight unless it ends in good order. */
  crash(isClean: boolean): void {
    if (this.inFlight !== undefined && !this.isInFlightWritten) {
      if (isClean || this.world.random.chance(0.5)) this.write(this.inFlight);
      else this.writeErasures(this.inFlight);
    }
    this.inFlight = undefined;
    this.queue = [];
    this.isLazyTimerSet = false;
  }

  /** Erasing takes several batches: a crash may come after the first parts of such an effect. */
  private writeErasures(batch: readonly Queued[]): void {
    const first = batch.findIndex(erases);
    const found = batch[first];
    if (found === undefined || this.world.random.chance(0.3)) return;
    this.write(batch.slice(0, first));
    const { partition, effect } = found;
    const at = effect.writes.findIndex(({ type }) => type === 'erase');
    this.options.disk().write(partition, { writes: effect.writes.slice(0, at + 1) });
  }

  private write(batch: readonly Queued[]): void {
    for (const { partition, effect } of batch) this.options.disk().write(partition, effect);
  }

  private kick(): void {
    if (this.inFlight !== undefined || this.queue.length === 0) return;
    if (!this.queue.some(({ effect }) => effect.urgent)) {
      if (this.isLazyTimerSet) return;
      this.isLazyTimerSet = true;
      this.life.later(this.options.applyDelayMs, () => {
        this.isLazyTimerSet = false;
        this.commit();
      });
      return;
    }
    this.commit();
  }

  private commit(): void {
    if (this.inFlight !== undefined || this.queue.length === 0) return;
    const { time, random } = this.world;
    const batch = this.queue.splice(0, 1 + random.below(BATCH_MAX));
    this.inFlight = batch;
    this.isInFlightWritten = false;
    const isSlow = time.nowMs < this.slowUntilMs;
    const isLong = isSlow || (this.world.profile.longErasing && batch.some(erases));
    const durationMs = isLong ? random.between(50, 900) : random.between(0.5, 6);
    const completed = this.life.bound(() => this.completed(batch));
    // The disk goes on while the process is paused, but not after it has crashed.
    this.life.beneath(durationMs, () => {
      this.write(batch);
      this.isInFlightWritten = true;
      completed();
    });
  }

  private completed(batch: readonly Queued[]): void {
    this.inFlight = undefined;
    const newest = new Map<ObservedReplica, Completion>();
    for (const { partition, effect, replica, then } of batch) {
      if (replica !== undefined)
        newest.set(replica, { replica, partition, number: effect.number, ver: effect.ver });
      then?.();
    }
    for (const completion of newest.values()) this.options.completed(completion);
    this.kick();
  }
}

function erases({ effect }: Queued): boolean {
  return effect.writes.some(({ type }) => type === 'erase');
}
