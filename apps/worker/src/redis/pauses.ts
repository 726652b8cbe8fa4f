/** CLIENT PAUSE: commands that are held back until a moment, all of them or those that write. */
import type { Clock } from '@diststore/base';

import type { BoundCommand } from './implementation.js';
import type { TransactionState } from './transaction-state.js';

export type PauseMode = 'all' | 'write';

/** Longest wait of one timer of Node; a longer pause is waited for in pieces. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Pauses {
  private untilMs = 0;
  private mode: PauseMode = 'write';
  private timer: NodeJS.Timeout | undefined;

  /** @param onEnd called when what was held back may go on. */
  constructor(
    private readonly clock: Clock,
    private readonly onEnd: () => void,
  ) {}

  /** A pause that is under way is never shortened, and `all` is not turned into `write`, as in Redis. */
  pause(ms: number, mode: PauseMode): void {
    if (!this.isActive || mode === 'all') this.mode = mode;
    this.untilMs = Math.max(this.untilMs, this.clock.monotonicNowMs() + ms);
    this.arm();
  }

  unpause(): void {
    this.untilMs = 0;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.onEnd();
  }

  holds(bound: BoundCommand, transaction: TransactionState): boolean {
    if (this.timer === undefined || !this.isActive) return false;
    if (this.mode === 'all' || bound.isWrite) return true;
    return bound.command.name === 'exec' && transaction.queued.some((queued) => queued.bound.isWrite);
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private get isActive(): boolean {
    return this.clock.monotonicNowMs() < this.untilMs;
  }

  private arm(): void {
    clearTimeout(this.timer);
    const leftMs = this.untilMs - this.clock.monotonicNowMs();
    this.timer = setTimeout(
      () => {
        if (this.isActive) this.arm();
        else this.unpause();
      },
      Math.min(leftMs, TIMER_MS_MAX),
    );
  }
}
