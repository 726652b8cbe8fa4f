import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { workerIndex } from './ids.js';
import { quotas, shares, wholeShares } from './quotas.js';
import type { Claim } from './quotas.js';
import { spreadLimit, Topology } from './topology.js';

const claim = (weight: number, limit = 1000, held = 0): Claim => ({ weight, limit, held });

/** Claims whose limits have room for the amount. */
const claimsAndAmount = fc
  .array(fc.record({ weight: fc.integer({ min: 1, max: 9 }), limit: fc.nat(50), held: fc.nat(60) }), {
    minLength: 1,
    maxLength: 12,
  })
  .chain((claims) => {
    const room = claims.reduce((sum, { limit }) => sum + limit, 0);
    return fc.record({ claims: fc.constant(claims), amount: fc.integer({ min: 0, max: room }) });
  });

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

/** Workers on hosts in zones: `[zone, host, weight]` each. */
function topology(
  places: readonly (readonly [string, string, number])[],
  replicationFactor: number,
): Topology {
  const workers = places.map(([zone, host, weight], i) => ({
    index: workerIndex(i + 1),
    weight,
    labels: { zone, host },
  }));
  return new Topology(workers, replicationFactor);
}

describe('shares', () => {
  it('are in proportion to weight', () => {
    expect(shares([claim(1), claim(2), claim(3)], 60)).toEqual([10, 20, 30]);
  });

  it('above a limit go to the others, again in proportion', () => {
    expect(shares([claim(1), claim(2), claim(3, 12)], 60)).toEqual([16, 32, 12]);
    // Capping the third lifts the second above its limit in turn.
    expect(shares([claim(1), claim(2, 30), claim(3, 12)], 60)).toEqual([18, 30, 12]);
  });

  it('any claims: they add up, and none is above its limit', () => {
    fc.assert(
      fc.property(claimsAndAmount, ({ claims, amount }) => {
        const found = shares(claims, amount);
        expect(sum(found)).toBeCloseTo(amount, 6);
        found.forEach((share, i) => expect(share).toBeLessThanOrEqual(claims[i]?.limit ?? NaN));
      }),
    );
  });

  it('more than the limits have room for is a mistake of the caller', () => {
    expect(() => shares([claim(1, 3), claim(1, 4)], 8)).toThrow('the limits leave room');
  });
});

describe('whole shares', () => {
  it('give the spare units to those who hold more already, then to the largest fractions, then in order', () => {
    expect(wholeShares([claim(1), claim(1), claim(1)], 4)).toEqual([2, 1, 1]);
    expect(wholeShares([claim(1), claim(1, 1000, 2), claim(1)], 4)).toEqual([1, 2, 1]);
    expect(wholeShares([claim(2), claim(3), claim(2)], 10)).toEqual([3, 4, 3]);
  });

  it('any claims: they add up exactly, none is above its limit, each is within one of its share', () => {
    fc.assert(
      fc.property(claimsAndAmount, ({ claims, amount }) => {
        const whole = wholeShares(claims, amount);
        const exact = shares(claims, amount);
        expect(sum(whole)).toBe(amount);
        whole.forEach((share, i) => {
          expect(share).toBeLessThanOrEqual(claims[i]?.limit ?? NaN);
          expect(Math.abs(share - (exact[i] ?? NaN))).toBeLessThan(1);
        });
      }),
    );
  });
});

describe('the spread limit', () => {
  it.each([
    [[1, 1, 1], 3, 1],
    [[2, 1], 3, 2],
    [[3], 3, 3],
    [[5, 1], 3, 2],
    [[5, 1, 1], 5, 3],
    [[9, 9, 9, 9], 3, 1],
  ])('groups that take %j hold %i replicas with at most %i each', (capacities, needed, limit) => {
    expect(spreadLimit(capacities, needed)).toBe(limit);
  });

  it('counts hosts of equal labels in different zones as different hosts', () => {
    const two = topology(
      [
        ['x', 'h', 1],
        ['y', 'h', 1],
      ],
      2,
    );
    expect([two.hostLimit, two.zoneLimit]).toEqual([1, 1]);
    expect(two.excessOf([0, 1])).toBe(0);
  });

  it('measures how much worse than allowed replicas are spread, hosts before zones', () => {
    const six = topology(
      [
        ['x', 'a', 1],
        ['x', 'a', 1],
        ['x', 'b', 1],
        ['y', 'c', 1],
        ['z', 'd', 1],
      ],
      3,
    );
    expect(six.excessOf([0, 3, 4])).toBe(0);
    expect(six.excessOf([0, 2, 3])).toBe(1);
    expect(six.excessOf([0, 1, 3])).toBe(11);
    expect(six.excessOfJoining([0], 1)).toBe(11);
    expect(six.excessOfJoining([0], 2)).toBe(1);
    expect(six.excessOfJoining([0], 3)).toBe(0);
  });
});

describe('quotas', () => {
  it('are even within one where weights and labels are alike', () => {
    const five = topology(
      Array.from({ length: 5 }, (_, i) => ['z', `h${i}`, 1] as const),
      3,
    );
    expect(quotas(five, 64, [])).toEqual([39, 39, 38, 38, 38]);
  });

  it('follow weights, as far as no worker holds two replicas of a partition', () => {
    const three = topology(
      [
        ['z', 'a', 2],
        ['z', 'b', 1],
        ['z', 'c', 1],
        ['z', 'd', 1],
        ['z', 'e', 1],
      ],
      3,
    );
    expect(quotas(three, 64, [])).toEqual([64, 32, 32, 32, 32]);
    const heavy = topology(
      [
        ['z', 'a', 100],
        ['z', 'b', 1],
        ['z', 'c', 1],
      ],
      2,
    );
    expect(quotas(heavy, 10, [])).toEqual([10, 5, 5]);
  });

  it('give each of three zones one replica of every partition, however many workers it has', () => {
    const zones = topology(
      [
        ['x', 'a', 1],
        ['x', 'b', 1],
        ['y', 'c', 1],
        ['z', 'd', 1],
      ],
      3,
    );
    expect(quotas(zones, 10, [])).toEqual([5, 5, 10, 10]);
  });

  it('are all replicas there are if there are fewer workers than replicas asked for', () => {
    const two = topology(
      [
        ['z', 'a', 1],
        ['z', 'b', 5],
      ],
      3,
    );
    expect(quotas(two, 10, [])).toEqual([10, 10]);
  });
});
