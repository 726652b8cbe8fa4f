/**
 * Whether the clocks of this machine have run alike since they were last compared, which is what leases rest on.
 *
 * A lease is measured on the monotonic clock, which stands still while a machine is suspended; the wall clock then
 * jumps, and so does the uptime. A disagreement of any two therefore means that time may have passed unnoticed. The
 * opposite does not hold: a hypervisor that freezes all clocks of a guest cannot be noticed from within.
 *
 *     sane ──disagreement, at a gate or in a tick──► jumped ──every replica was told: `settle`──► sane
 *
 * Until all replicas were told, every moment says `clockSane: false`, so none of them answers or commits. What was
 * asked before the jump must not grant a lease after it: see `jumpedAtMs`.
 *
 * The gate compares two clocks that cost a tenth of a microsecond at most. The uptime costs a system call and a file,
 * and steps by up to a second on some platforms, so it is read in the tick only and believed to within its grain.
 *
 * Source: /proc/uptime counts in hundredths of a second, libuv falls back to whole seconds elsewhere (uv_uptime).
 */
import { uptime } from 'node:os';

import type { Moment } from '@diststore/replication';

export interface MachineClocks {
  monotonicNowMs(): number;
  wallNowMs(): number;
  uptimeMs(): number;
  /** The step of `uptimeMs`. */
  readonly uptimeGrainMs: number;
}

export const machineClocks: MachineClocks = {
  monotonicNowMs: () => performance.now(),
  wallNowMs: () => Date.now(),
  uptimeMs: () => uptime() * 1000,
  uptimeGrainMs: process.platform === 'linux' ? 10 : 1000,
};

/** What both clocks said. */
export interface MachineMoment extends Moment {
  readonly wallMs: number;
}

export class ClockSanity {
  private monotonicMs: number;
  private wallMs: number;
  private uptimeMs: number;
  /** Of the uptime, which is compared only once it had time to step. */
  private uptimeSinceMs: number;
  private sane = true;
  /** On the monotonic clock: when the last disagreement was noticed. Answers to anything sent before grant nothing. */
  jumpedAtMs = -Infinity;

  /** @param jumpMs a disagreement above this is a jump: `clockJumpMs` of the cluster's timing. */
  constructor(
    private readonly clocks: MachineClocks,
    private readonly jumpMs: number,
  ) {
    this.monotonicMs = clocks.monotonicNowMs();
    this.wallMs = clocks.wallNowMs();
    this.uptimeMs = clocks.uptimeMs();
    this.uptimeSinceMs = this.monotonicMs;
  }

  get isSane(): boolean {
    return this.sane;
  }

  /** For each event and each gate. */
  moment(): MachineMoment {
    const nowMs = this.clocks.monotonicNowMs();
    const wallMs = this.clocks.wallNowMs();
    if (Math.abs(wallMs - this.wallMs - (nowMs - this.monotonicMs)) > this.jumpMs) this.jumped(nowMs);
    return { nowMs, wallMs, clockSane: this.sane };
  }

  /** As `moment`, once in each tick: looks at the uptime too, and begins to compare anew. */
  tick(): Moment {
    const { nowMs } = this.moment();
    const uptimeMs = this.clocks.uptimeMs();
    const elapsedMs = nowMs - this.uptimeSinceMs;
    const toleranceMs = this.jumpMs + 2 * this.clocks.uptimeGrainMs;
    if (Math.abs(uptimeMs - this.uptimeMs - elapsedMs) > toleranceMs) this.jumped(nowMs);
    // Slewing moves the wall clock by half a millisecond in a second: compared over a tick, that is nothing.
    this.monotonicMs = nowMs;
    this.wallMs = this.clocks.wallNowMs();
    if (elapsedMs >= this.clocks.uptimeGrainMs) {
      this.uptimeMs = uptimeMs;
      this.uptimeSinceMs = nowMs;
    }
    return { nowMs, clockSane: this.sane };
  }

  /** Every replica has been stepped with `clockSane: false` since the jump. */
  settle(): void {
    this.sane = true;
  }

  private jumped(nowMs: number): void {
    this.sane = false;
    this.jumpedAtMs = nowMs;
    this.monotonicMs = nowMs;
    this.wallMs = this.clocks.wallNowMs();
    this.uptimeMs = this.clocks.uptimeMs();
    this.uptimeSinceMs = nowMs;
  }
}
