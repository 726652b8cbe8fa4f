/**
 * How long to wait before trying again: doubling from `minMs` to `maxMs`, half of it random, so that peers which lost
 * the same worker do not return to it in step.
 */
import type { Random } from '@diststore/base';

export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

export class Backoff {
  private nextMs: number;

  constructor(
    private readonly bounds: BackoffBounds,
    private readonly random: Random,
  ) {
    this.nextMs = bounds.minMs;
  }

  /** Milliseconds to wait now: between half of the present delay and all of it. */
  next(): number {
    const delayMs = this.nextMs;
    this.nextMs = Math.min(this.bounds.maxMs, delayMs * 2);
    return delayMs * (0.5 + this.random() / 2);
  }

  /** Starts again from `minMs`. */
  reset(): void {
    this.nextMs = this.bounds.minMs;
  }
}
