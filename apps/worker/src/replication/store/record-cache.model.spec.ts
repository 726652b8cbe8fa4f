/**
 * Whether and how much is cached changes nothing of what is decided and answered: the same random operations on
 * partitions with caches of several sizes.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { describe, expect, it } from '@jest/globals';
import { partitionId } from '@diststore/cluster';
import { ManualClock } from '@diststore/testing';
import fc from 'fast-check';

import { operationsOf } from '../../../../../libs/data/test/operations.js';
import { mapOnOne, partitionsInMemory, SELF } from '../../../test/partitions-in-memory.js';

const ID = partitionId(0);
/** Nothing; now and then one or two records; some of them; all of them. */
const CACHE_BYTES = [0, 500, 1200, 1024 * 1024];
const BEGIN_MS = 1000;

const key = fc.constantFrom('a', 'b', 'c').map((name) => Buffer.from(name));
const { write } = operationsOf({
  key,
  value: fc
    .constantFrom('', '7', '-1', '1.25', 'abc', '\0\xff', 'x'.repeat(24))
    .map((text) => Buffer.from(text, 'latin1')),
  version: fc.integer({ min: 1, max: 30 }),
  timeMs: fc.integer({ min: BEGIN_MS - 10, max: BEGIN_MS + 100 }),
  lifetimeMs: fc.integer({ min: 1, max: 30 }),
  offset: fc.integer({ min: 0, max: 26 }),
  bitOffset: fc.integer({ min: 0, max: 200 }),
  decimal: fc.constantFrom('0.5', '-1', '1e3'),
});
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('write' as const), operation: write }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 20 }) }),
  },
  ...(['turn', 'settle', 'sweep'] as const).map((name) => ({
    weight: 2,
    arbitrary: fc.record({ do: fc.constant(name) }),
  })),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What the operations answered, and what is read wherever nothing is under way. */
async function answersTo(steps: readonly Step[], recordCacheBytes: number): Promise<unknown[]> {
  const clock = new ManualClock(BEGIN_MS);
  const { host, partitions } = await partitionsInMemory({
    map: mapOnOne(SELF, 1),
    limits: { maxValueBytes: 24 },
    wallNowMs: () => clock.wallNowMs(),
    recordCacheBytes,
  });
  try {
    const partition = partitions.primary(ID);
    if (partition === undefined) throw new Error('the partition is not led here');
    const answers: unknown[] = [];
    let underWay: Promise<unknown>[] = [];
    const settle = async (): Promise<void> => {
      answers.push(...(await Promise.all(underWay)));
      underWay = [];
      answers.push(partition.keys, partition.bytes);
    };
    for (const next of steps) {
      if (next.do === 'write') underWay.push(partition.perform(next.operation));
      else if (next.do === 'tick') clock.nowMs += next.ms;
      else if (next.do === 'turn') await nextTurn();
      else if (next.do === 'read') {
        const found = await partition.get(next.key);
        if (underWay.length === 0) answers.push(found);
      } else {
        await settle();
        if (next.do === 'sweep') {
          await partition.sweepLeftovers(() => Promise.resolve(true));
          answers.push(await partition.sweepExpired());
        }
      }
    }
    await settle();
    for (const name of ['a', 'b', 'c']) answers.push(await partition.get(Buffer.from(name)));
    return answers;
  } finally {
    host.close();
  }
}

describe('a partition with a record cache', () => {
  it('decides and answers as one without', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), async (steps) => {
        const [without, ...others] = await Promise.all(CACHE_BYTES.map((bytes) => answersTo(steps, bytes)));
        for (const withCache of others) expect(withCache).toEqual(without);
      }),
      { numRuns: 50 },
    );
  });
});
