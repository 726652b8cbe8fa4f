import { describe, expect, it } from '@jest/globals';

import { configuration, hashed, members, news, partition, target, worker } from '../test/fixtures.js';
import { ClusterMap } from './cluster-map.js';
import { partitionId, workerIndex } from './ids.js';
import type { WorkerIndex } from './ids.js';
import type { PartitionRecord } from './map-delta.js';
import { isAtTarget, motionsOf, planMoves } from './motion.js';

const everybody = (): boolean => true;
const without =
  (...gone: number[]) =>
  (index: WorkerIndex): boolean =>
    !gone.includes(index);

function mapOf(
  workers: readonly number[],
  partitions: readonly PartitionRecord[],
  replicationFactor = 2,
): ClusterMap {
  const settings = hashed({ partitionCount: partitions.length, replicationFactor });
  const records = workers.map((index) => worker(index));
  const applied = ClusterMap.from(news({ settings, workers: records, partitions }));
  if (applied.answer !== 'applied') throw new Error(JSON.stringify(applied));
  return applied.map;
}

/** A partition that is in sync on some workers and should be on others, the first of each leading. */
function placed(number: number, insync: readonly number[], wanted: readonly number[]): PartitionRecord {
  return partition(number, {
    configuration: configuration({ insync: members(...insync) }),
    target: target(...wanted),
  });
}

describe('motion', () => {
  it('is at its target with the same workers in sync, in whatever order', () => {
    expect(isAtTarget(configuration({ insync: members(2, 1) }), target(1, 2))).toBe(true);
    expect(isAtTarget(configuration({ insync: members(1) }), target(1, 2))).toBe(false);
    expect(isAtTarget(configuration({ insync: members(1, 2, 3) }), target(1, 2))).toBe(false);
  });

  it('counts what is to copy and to retire, and leaves out what cannot get there', () => {
    const map = mapOf(
      [1, 2, 3, 4],
      [placed(0, [1, 2], [1, 3]), placed(1, [1, 2], [1, 2]), placed(2, [2], [2, 4])],
    );
    expect(motionsOf(map, everybody)).toEqual([
      { partition: 0, copies: 1, retiring: 1 },
      { partition: 2, copies: 1, retiring: 0 },
    ]);
    // A target that names a dead worker, and one that nobody is there to copy to from.
    expect(motionsOf(map, without(4)).map((motion) => motion.partition)).toEqual([0]);
    expect(motionsOf(map, without(1, 2))).toEqual([]);
  });

  it('changes as many targets as may be in motion, the rest later', () => {
    const map = mapOf(
      [1, 2, 3, 4],
      [0, 1, 2, 3, 4, 5].map((number) => placed(number, [1, 2], [1, 2])),
    );
    const plan = planMoves(map, map.workers(), { isThere: everybody, movesMax: 2, handoversMax: 9 });
    const moved = plan.now.filter((change) => change.target.replicas.some((index) => index > 2));
    expect(moved).toHaveLength(2);
    expect(plan.later.length).toBeGreaterThan(0);
    const none = planMoves(map, map.workers(), { isThere: everybody, movesMax: 0, handoversMax: 0 });
    expect(none.now).toEqual([]);
  });

  it('begins with the partition that has the fewest copies left, and not with one that has none', () => {
    const map = mapOf(
      [1, 2, 3, 4, 5],
      [placed(0, [1, 2], [1, 5]), placed(1, [5], [5, 1]), placed(2, [2], [2, 5])],
    );
    const workers = map.workers().filter(({ index }) => index !== 5);
    const options = { isThere: without(5), movesMax: 1, handoversMax: 9 };
    expect(planMoves(map, workers, options).now.map((change) => change.partition)).toEqual([partitionId(2)]);
    const all = planMoves(map, workers, { ...options, movesMax: 9 });
    expect([...all.now, ...all.later].some((change) => change.partition === 1)).toBe(false);
  });

  it('does not count a target that is reached at once, nor one of a partition that moves already', () => {
    const map = mapOf([1, 2, 3], [placed(0, [1, 2], [1, 2, 3]), placed(1, [1, 2], [1, 2, 3])], 3);
    const remaining = map.workers().filter(({ index }) => index !== 3);
    const plan = planMoves(map, remaining, { isThere: without(3), movesMax: 0, handoversMax: 0 });
    expect(plan.now.map(({ target: to }) => to.replicas)).toEqual([
      [1, 2].map(workerIndex),
      [1, 2].map(workerIndex),
    ]);
  });
});
