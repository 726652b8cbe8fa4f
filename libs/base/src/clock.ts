/**
 * Time and chance come in from outside, so that the same code runs under a simulator. Two clocks, never mixed:
 * the wall clock dates expiry, the monotonic clock measures waits.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump. */
  wallNowMs(): number;
  /** Milliseconds since an arbitrary start. Never goes back. */
  monotonicNowMs(): number;
}

/** Uniform in [0, 1). */
export type Random = () => number;
