/**
 * The life of a simulated process: up or down, paused or running, with clocks of its own. What a process started ends
 * with it, and waits while it is paused.
 */
import type { SeededRandom } from './random.js';
import type { VirtualTime } from './virtual-time.js';

export class ProcessLife {
  isUp = false;
  pausedUntilMs = 0;
  /** Of the process running now, or running last. */
  number = 0;
  private originMs = 0;
  private newestMs = 0;
  /** Since when the machine sleeps: the monotonic clock stands still, the wall clock goes on. */
  private suspendedSinceMs: number | undefined;
  /** The clocks have come apart, and nobody has compared them since. */
  private jumped = false;
  private readonly rate: number;
  private readonly wallOffsetMs: number;

  constructor(
    private readonly time: VirtualTime,
    private readonly random: SeededRandom,
    clocks: { drift: number; wallOffsetMs: number },
  ) {
    this.rate = 1 + random.between(-clocks.drift, clocks.drift);
    this.wallOffsetMs = random.between(-clocks.wallOffsetMs, clocks.wallOffsetMs);
  }

  /** The monotonic clock; every process reads it from an origin of its own. */
  localMs(): number {
    this.wake();
    const nowMs = this.originMs + (this.suspendedSinceMs ?? this.time.nowMs) * this.rate;
    // Rounding is no excuse for a monotonic clock.
    this.newestMs = Math.max(this.newestMs, nowMs);
    return this.newestMs;
  }

  wallMs(): number {
    return Math.max(0, this.time.nowMs + this.wallOffsetMs + 10_000);
  }

  start(): void {
    this.isUp = true;
    this.number += 1;
    this.pausedUntilMs = 0;
    this.suspendedSinceMs = undefined;
    this.jumped = false;
    this.newestMs = 0;
    this.originMs = this.random.between(0, 10_000) - this.time.nowMs * this.rate + this.time.nowMs;
  }

  end(): void {
    this.isUp = false;
    this.number += 1;
  }

  /** Runs in this process, later; not if it has ended by then, and not while it is paused. */
  later(delayMs: number, run: () => void): void {
    const { number } = this;
    this.time.after(delayMs, () => this.whenRunning(number, run));
  }

  /** Runs at once, or when the pause ends; not if this process is not the one running now. */
  bound(run: () => void): () => void {
    const { number } = this;
    return () => this.whenRunning(number, run);
  }

  /** The whole machine sleeps. */
  suspend(untilMs: number): void {
    this.wake();
    this.pausedUntilMs = Math.max(this.pausedUntilMs, untilMs);
    this.suspendedSinceMs ??= this.time.nowMs;
    this.jumped = true;
  }

  private wake(): void {
    if (this.suspendedSinceMs === undefined || this.time.nowMs < this.pausedUntilMs) return;
    this.originMs -= (this.pausedUntilMs - this.suspendedSinceMs) * this.rate;
    this.suspendedSinceMs = undefined;
  }

  /** Whether the clocks came apart since they were last compared. */
  get hasJumped(): boolean {
    return this.jumped;
  }

  compareClocks(): boolean {
    const { jumped } = this;
    this.jumped = false;
    return !jumped;
  }

  /** Something arrives, at whatever process runs here now. */
  receive(run: () => void): void {
    if (this.isUp) this.whenRunning(this.number, run);
  }

  /** Runs later if the process has not ended, paused or not: what the machine does for it. */
  beneath(delayMs: number, run: () => void): void {
    const { number } = this;
    this.time.after(delayMs, () => {
      if (this.number === number) run();
    });
  }

  private whenRunning(number: number, run: () => void): void {
    if (this.number !== number || !this.isUp) return;
    if (this.pausedUntilMs > this.time.nowMs) {
      this.time.at(this.pausedUntilMs, () => this.whenRunning(number, run));
      return;
    }
    run();
  }
}
