import { describe, expect, it } from '@jest/globals';
import { TIMING_NAMES } from '@diststore/cluster';
import { TIMINGS, validateTiming } from '@diststore/replication';

import { MANAGER_TIMINGS } from './manager-timing.js';

describe('timing profiles', () => {
  it('have the same names wherever they are told apart', () => {
    expect(Object.keys(TIMINGS)).toEqual([...TIMING_NAMES]);
    expect(Object.keys(MANAGER_TIMINGS)).toEqual([...TIMING_NAMES]);
  });

  it.each(TIMING_NAMES)('%s can be used together', (name) => {
    expect(validateTiming(TIMINGS[name])).toEqual([]);
    // A worker whose answer is late by a whole grace period is still waited for.
    expect(MANAGER_TIMINGS[name].startupQuietMs * 2).toBeGreaterThan(TIMINGS[name].graceMs);
    expect(MANAGER_TIMINGS[name].replaceAfterMs).toBeGreaterThan(TIMINGS[name].graceMs);
  });
});
