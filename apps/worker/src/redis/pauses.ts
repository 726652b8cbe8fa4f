/** CLIENT PAUSE: commands that are held back until a moment, all of them or those that write. */
import type { Clock } from '@diststore/base';

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

  /** Whether a command must wait. @param isWrite whether it may change data. */
  holds(isWrite: boolean): boolean {
    return this.timer !== undefined && this.isActive && (isWrite || this.mode === 'all');
  }

  /** Whether any command might have to wait: cheap to ask. */
  get isOn(): boolean {
    return this.timer !== undefined;
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
