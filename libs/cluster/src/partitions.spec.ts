import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { partitionId } from './ids.js';
import { Partitions } from './partitions.js';
import { SLOT_COUNT } from './slots.js';

const counts = fc.integer({ min: 1, max: SLOT_COUNT });

describe('partitions', () => {
  it.each([1, 2, 3, 64, 100, 1000, 16_383, 16_384])(
    '%i partitions: every slot is in exactly one',
    (count) => {
      const partitions = new Partitions(count);
      const timesCovered = new Uint8Array(SLOT_COUNT);
      const misplaced: number[] = [];
      for (const partition of partitions.all()) {
        const { first, last } = partitions.slotsOf(partition);
        for (let slot = first; slot <= last; slot++) {
          timesCovered[slot] = (timesCovered[slot] ?? NaN) + 1;
          if (partitions.ofSlot(slot) !== partition) misplaced.push(slot);
        }
      }
      expect(timesCovered.every((times) => times === 1)).toBe(true);
      expect(misplaced).toEqual([]);
    },
  );

  it('any count: the ranges follow one another, in order, from the first slot to the last', () => {
    fc.assert(
      fc.property(counts, (count) => {
        const partitions = new Partitions(count);
        let next = 0;
        for (const partition of partitions.all()) {
          const { first, last } = partitions.slotsOf(partition);
          if (first !== next || last < first) return false;
          next = last + 1;
        }
        return next === SLOT_COUNT;
      }),
      { numRuns: 30 },
    );
  });

  it('any count: sizes differ by one at most', () => {
    fc.assert(
      fc.property(counts, (count) => {
        const partitions = new Partitions(count);
        const sizes = partitions
          .all()
          .map((partition) => partitions.slotsOf(partition))
          .map((r) => r.last - r.first + 1);
        return Math.max(...sizes) - Math.min(...sizes) <= 1;
      }),
      { numRuns: 30 },
    );
  });

  it('any count: partition of slot and slots of partition are inverse', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 0, max: SLOT_COUNT - 1 }), (count, slot) => {
        const partitions = new Partitions(count);
        const { first, last } = partitions.slotsOf(partitions.ofSlot(slot));
        return first <= slot && slot <= last;
      }),
    );
  });

  it('a key is in the partition of its slot', () => {
    const key = new TextEncoder().encode('foo');
    // Slot 12182 of 16384, in ranges of 256.
    expect(new Partitions(64).ofKey(key)).toBe(Math.floor(12_182 / 256));
  });

  it.each([0, -1, 1.5, 16_385, NaN])('%d partitions cannot be', (count) => {
    expect(() => new Partitions(count)).toThrow('1 to 16384 partitions');
  });

  it('asking for a partition that does not exist is a mistake of the caller', () => {
    expect(() => new Partitions(4).slotsOf(partitionId(4))).toThrow('the partition exists');
  });
});
