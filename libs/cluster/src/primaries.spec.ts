import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { choosePrimaries } from './primaries.js';
import type { PrimariesInput } from './primaries.js';
import { shares } from './quotas.js';

const WORKERS = 4;

const inputs: fc.Arbitrary<PrimariesInput> = fc
  .record({
    weights: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: WORKERS, maxLength: WORKERS }),
    members: fc.array(fc.subarray([0, 1, 2, 3], { minLength: 1 }), { minLength: 1, maxLength: 6 }),
    current: fc.array(fc.option(fc.nat(WORKERS - 1), { nil: undefined }), { minLength: 6, maxLength: 6 }),
  })
  .map(({ weights, members, current }) => ({ weights, members, current: current.slice(0, members.length) }));

const loadsOf = (primaries: readonly number[]): number[] =>
  Array.from(
    { length: WORKERS },
    (_, position) => primaries.filter((primary) => primary === position).length,
  );

/** Whether every worker has the floor or the ceiling of its share. */
function isEven({ weights, members }: PrimariesInput, primaries: readonly number[]): boolean {
  const held = (position: number): number =>
    members.filter((positions) => positions.includes(position)).length;
  const claims = weights.map((weight, position) => ({ weight, limit: held(position), held: 0 }));
  const share = shares(claims, members.length);
  return loadsOf(primaries).every((load, i) => Math.abs(load - (share[i] ?? NaN)) < 1 - 1e-6);
}

/** Every way to choose one member of each partition. */
function choices(members: readonly (readonly number[])[]): number[][] {
  let found: number[][] = [[]];
  for (const positions of members)
    found = found.flatMap((chosen) => positions.map((position) => [...chosen, position]));
  return found;
}

describe('primaries', () => {
  it('are members, one per partition', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const primaries = choosePrimaries(input);
        expect(primaries).toHaveLength(input.members.length);
        primaries.forEach((primary, p) => expect(input.members[p]).toContain(primary));
      }),
    );
  });

  it('are even whenever any choice of members is', () => {
    let uneven = 0;
    fc.assert(
      fc.property(inputs, (input) => {
        const canBeEven = choices(input.members).some((choice) => isEven(input, choice));
        if (!canBeEven) uneven++;
        expect(isEven(input, choosePrimaries(input))).toBe(canBeEven);
      }),
      { numRuns: 300 },
    );
    expect(uneven).toBeLessThan(300);
  });

  it('stay as they are when they are even', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const primaries = choosePrimaries(input);
        expect(choosePrimaries({ ...input, current: primaries })).toEqual(primaries);
      }),
    );
  });

  it('shift over a third worker when the two have no partition in common', () => {
    // Worker 0 leads three, shares partitions only with 1; worker 2 leads none, and shares one with 1.
    const members = [[0, 1], [0, 1], [0], [1, 2], [1]];
    const primaries = choosePrimaries({ weights: [1, 1, 1], members, current: [0, 0, 0, 1, 1] });
    expect(primaries).toEqual([1, 0, 0, 2, 1]);
  });
});
