import { describe, expect, it } from '@jest/globals';

import { ConditionVariable } from './condition-variable.js';

describe('ConditionVariable', () => {
  const never = new AbortController().signal;

  it('lets every waiter go on whose condition holds, and only those', async () => {
    const variable = new ConditionVariable();
    let value = 0;
    const ended: number[] = [];
    const waits = [1, 2].map((wanted) =>
      variable.until(() => value >= wanted, never).then((held) => ended.push(held ? wanted : -1)),
    );
    for (value = 1; value <= 2; value++) {
      variable.wake();
      await waits[value - 1];
      expect(ended).toHaveLength(value);
    }
    expect(ended).toEqual([1, 2]);
  });

  it('does not wait for what holds already, even when it is aborted', async () => {
    expect(await new ConditionVariable().until(() => true, AbortSignal.abort())).toBe(true);
  });

  it('ends a wait with false when it is aborted, before and meanwhile', async () => {
    const variable = new ConditionVariable();
    const over = new AbortController();
    const wait = variable.until(() => false, over.signal);
    over.abort();
    expect(await wait).toBe(false);
    expect(await variable.until(() => false, over.signal)).toBe(false);
  });
});
