import { describe, expect, it } from '@jest/globals';

import { Backoff } from './backoff.js';
import { transportLimits } from './limits.js';
import { RepeatFilter } from './repeat-filter.js';

describe('Backoff', () => {
  it('doubles up to its maximum, and starts again when reset', () => {
    const backoff = new Backoff({ minMs: 50, maxMs: 300 }, () => 0.999_999_999);
    const next = (): number => Math.round(backoff.next());
    expect([next(), next(), next(), next(), next()]).toEqual([50, 100, 200, 300, 300]);
    backoff.reset();
    expect(next()).toBe(50);
  });

  it('leaves half of each wait to chance', () => {
    const backoff = new Backoff({ minMs: 100, maxMs: 100 }, () => 0);
    expect(backoff.next()).toBe(50);
  });
});

describe('RepeatFilter', () => {
  it('lets the same text pass once a minute, with the number of those left out', () => {
    let nowMs = 0;
    const filter = new RepeatFilter({ wallNowMs: () => 0, monotonicNowMs: () => nowMs });
    expect([filter.pass('a'), filter.pass('a'), filter.pass('b'), filter.pass('a')]).toEqual([
      0,
      undefined,
      0,
      undefined,
    ]);
    nowMs = 60_000;
    expect([filter.pass('a'), filter.pass('a')]).toEqual([2, undefined]);
  });
});

describe('transportLimits', () => {
  it.each([
    ['a queue without room for two messages', { sendQueueBytesMax: 16 * 1024 * 1024 }],
    ['silence before the third heartbeat', { silenceMs: 1_000 }],
    ['a backoff that shrinks', { backoffMinMs: 5_000 }],
    ['no number', { servedMax: NaN }],
  ])('refuses %s', (_what, changes) => {
    expect(() => transportLimits(changes)).toThrow('Invariant broken');
  });
});
