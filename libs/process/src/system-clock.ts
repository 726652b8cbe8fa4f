import type { Clock } from '@diststore/base';

/** The clocks of this machine. */
export const systemClock: Clock = {
  wallNowMs: () => Date.now(),
  monotonicNowMs: () => performance.now(),
};
