import { describe, expect, it } from '@jest/globals';

import { History, type Recorded } from './history.js';

const base = { key: 'a', client: 1, worker: 1, expected: 0, certain: true, partition: 3 } as const;

function historyOf(...operations: readonly Partial<Recorded>[]): History {
  const history = new History();
  operations.forEach((operation, i) => {
    history.add({ ...base, type: 'read', value: 0, call: 10 * i, end: 10 * i + 5, ...operation });
  });
  return history;
}

describe('a history of real clients', () => {
  it('accepts what one register could have answered', () => {
    const history = historyOf(
      { type: 'write', value: 1 },
      { type: 'read', value: 1 },
      { type: 'swap', expected: 1, value: 2 },
      { type: 'delete' },
      { type: 'read', value: 0 },
    );
    expect(history.violations()).toEqual([]);
  });

  it('convicts a lost acknowledged write', () => {
    const history = historyOf({ type: 'write', value: 1 }, { type: 'read', value: 0 });
    expect(history.violations()).toEqual([{ key: 'a', problem: expect.stringContaining('read 0') }]);
  });

  it('convicts a stale read', () => {
    const history = historyOf(
      { type: 'write', value: 1 },
      { type: 'write', value: 2 },
      { type: 'read', value: 1 },
    );
    expect(history.violations()).toHaveLength(1);
  });

  it('convicts two conditional writes that rest on the same version', () => {
    const history = historyOf(
      { type: 'write', value: 1 },
      { type: 'swap', expected: 1, value: 2 },
      { type: 'swap', expected: 1, value: 3 },
    );
    expect(history.violations()).toHaveLength(1);
  });

  it('lets an unknown write have happened at any later time, or never', () => {
    const unknown = { type: 'write', value: 2, certain: false, end: Infinity } as const;
    for (const value of [1, 2]) {
      const history = historyOf({ type: 'write', value: 1 }, unknown, { type: 'read', value });
      expect(history.violations()).toEqual([]);
    }
    const undone = historyOf(
      { type: 'write', value: 1 },
      unknown,
      { type: 'read', value: 2 },
      { type: 'read', value: 1 },
    );
    expect(undone.violations()).toHaveLength(1);
  });

  it('measures the longest time without an acknowledged write, by partition', () => {
    const history = historyOf(
      { type: 'write', value: 1, end: 100 },
      { type: 'write', value: 2, end: 900 },
      { type: 'read', value: 2, end: 950 },
      { type: 'write', value: 3, end: 1000 },
      { type: 'write', key: 'b', partition: 5, value: 4, end: 200 },
    );
    expect(history.gaps(0, 1000)).toEqual([
      { partition: 3, ms: 800, fromMs: 100 },
      { partition: 5, ms: 800, fromMs: 200 },
    ]);
  });
});
