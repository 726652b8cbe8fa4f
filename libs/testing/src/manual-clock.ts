import type { Clock } from '@diststore/base';

/** A clock that the test sets. */
export class ManualClock implements Clock {
  constructor(public nowMs = 1_000_000) {}

  wallNowMs(): number {
    return this.nowMs;
  }

  monotonicNowMs(): number {
    return this.nowMs;
  }
}
