import { describe, expect, it } from '@jest/globals';

import { hashed, LOCAL, news, worker } from '../test/fixtures.js';
import { ClusterMap } from './cluster-map.js';
import { workerIndex } from './ids.js';
import { planTargets } from './target-plan.js';

/** The map after the planned targets are set. */
function carryOut(map: ClusterMap, changes: ReturnType<typeof planTargets>): ClusterMap {
  const version = map.version + 1;
  const partitions = changes.map((change) => ({ ...change, revision: version, configuration: null }));
  const applied = map.apply(
    news({ since: map.version, version, formed: false, settings: null, workers: [], partitions }),
  );
  if (applied.answer !== 'applied') throw new Error(JSON.stringify(applied));
  return applied.map;
}

function mapWith(workers: readonly number[], settings: Parameters<typeof ClusterMap.empty>[0]): ClusterMap {
  const records = workers.map((index) => worker(index));
  const applied = ClusterMap.from(news({ formed: false, settings, workers: records, partitions: [] }));
  if (applied.answer !== 'applied') throw new Error(JSON.stringify(applied));
  return applied.map;
}

describe('planning targets', () => {
  it('places every partition at first, and nothing more as long as the workers stay', () => {
    const map = mapWith([1, 2, 3, 4], hashed({ partitionCount: 16 }));
    const changes = planTargets(map, map.workers());
    expect(changes.map(({ partition }) => partition)).toEqual(Array.from({ length: 16 }, (_, p) => p));
    expect(changes.every(({ target }) => target.rev === 1 && target.replicas.length === 3)).toBe(true);
    const placed = carryOut(map, changes);
    expect(planTargets(placed, placed.workers())).toEqual([]);
  });

  it('moves replicas off a worker that is left out, raising revisions only where something changes', () => {
    const map = mapWith([1, 2, 3, 4], hashed({ partitionCount: 16 }));
    const placed = carryOut(map, planTargets(map, map.workers()));
    const changes = planTargets(placed, placed.workers().slice(1));
    expect(changes.length).toBeGreaterThan(0);
    for (const { partition, target } of changes) {
      expect(target.rev).toBe(2);
      expect(target).not.toMatchObject({ replicas: placed.targetOf(partition)?.replicas });
    }
    const drained = carryOut(placed, changes);
    for (const { target } of drained.partitionRecords()) expect(target?.replicas).not.toContain(1);
  });

  it('plans nothing without workers', () => {
    expect(planTargets(ClusterMap.empty(hashed()), [])).toEqual([]);
  });

  it('under placement local: every worker its own partition, for good', () => {
    const map = mapWith([1, 7], LOCAL);
    const changes = planTargets(map, map.workers());
    expect(changes).toEqual([
      { partition: 1, target: { rev: 1, replicas: [workerIndex(1)], preferredPrimary: workerIndex(1) } },
      { partition: 7, target: { rev: 1, replicas: [workerIndex(7)], preferredPrimary: workerIndex(7) } },
    ]);
    expect(planTargets(carryOut(map, changes), map.workers())).toEqual([]);
  });
});
