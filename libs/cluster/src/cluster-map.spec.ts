import { describe, expect, it } from '@jest/globals';

import {
  CLUSTER,
  configuration,
  hashed,
  LOCAL,
  member,
  members,
  news,
  partition,
  target,
  ver,
  worker,
} from '../test/fixtures.js';
import { ClusterMap } from './cluster-map.js';
import type { Applied } from './cluster-map.js';
import { clusterId, partitionId, workerIndex } from './ids.js';
import type { MapDelta } from './map-delta.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function mapOf(applied: Applied): ClusterMap {
  if (applied.answer !== 'applied') throw new Error(JSON.stringify(applied));
  return applied.map;
}

const map = mapOf(ClusterMap.from(news()));
const later = (parts: Partial<MapDelta>): MapDelta =>
  news({ since: 1, version: 2, settings: null, workers: [], partitions: [], ...parts });

describe('finding the way', () => {
  it('from a key to its partition, its configuration, and the worker to ask', () => {
    // "foo" has slot 12182: the third quarter.
    const found = map.partitionOf(bytes('foo'));
    expect(found).toBe(2);
    expect(map.configurationOf(found)).toEqual(configuration());
    expect(map.primaryOf(found)).toEqual(member(1));
    expect(map.ownerOf(found)).toEqual(worker(1));
    expect(map.targetOf(found)).toEqual(target(1, 2, 3));
  });

  it('what a worker is primary and secondary of', () => {
    const led = partition(3, { configuration: configuration({ primary: member(2) }) });
    const other = mapOf(ClusterMap.from(news({ partitions: [...[0, 1, 2].map((p) => partition(p)), led] })));
    expect(other.partitionsOf(workerIndex(2))).toEqual({ primary: [3], secondary: [0, 1, 2] });
    expect(other.partitionsOf(workerIndex(9))).toEqual({ primary: [], secondary: [] });
  });

  it('before anything is created: a partition for every key, and nobody to ask', () => {
    const empty = ClusterMap.empty(hashed());
    const found = empty.partitionOf(bytes('foo'));
    expect([
      empty.configurationOf(found),
      empty.primaryOf(found),
      empty.ownerOf(found),
      empty.targetOf(found),
    ]).toEqual([undefined, undefined, undefined, undefined]);
    expect(empty.workers()).toEqual([]);
  });
});

describe('placement local', () => {
  const own = (index: number) =>
    partition(index, { configuration: configuration({ insync: members(index) }), target: target(index) });
  const local = news({ settings: LOCAL, formed: false, partitions: [own(1), own(3)] });
  const localMap = mapOf(ClusterMap.from(local));

  it('every key belongs to the worker that is asked', () => {
    expect(localMap.partitionOf(bytes('foo'), workerIndex(3))).toBe(3);
    expect(localMap.ownerOf(partitionId(3))?.index).toBe(3);
    expect(localMap.partitions).toBeUndefined();
    expect(() => localMap.partitionOf(bytes('foo'))).toThrow('the worker that is asked');
  });

  it('a partition is on its own worker only', () => {
    const elsewhere = partition(2, { configuration: configuration({ insync: members(3) }), target: null });
    expect(ClusterMap.from({ ...local, partitions: [elsewhere] })).toEqual({
      answer: 'refused',
      reason: 'partition 2: under placement local only its own worker holds a partition',
    });
    const replicated = partition(2, {
      configuration: configuration({ insync: members(2, 3) }),
      target: null,
    });
    expect(ClusterMap.from({ ...local, partitions: [replicated] }).answer).toBe('refused');
    const moving = partition(2, { configuration: null, target: target(2, 3) });
    expect(ClusterMap.from({ ...local, partitions: [moving] })).toMatchObject({
      reason: 'partition 2: under placement local a partition does not move',
    });
  });

  it('has a partition per registered worker, so it is never formed, and none without a worker', () => {
    expect(ClusterMap.from({ ...local, formed: true })).toMatchObject({
      reason: 'only a hashed cluster is formed',
    });
    expect(ClusterMap.from({ ...local, partitions: [own(4)] })).toMatchObject({
      reason: 'partition 4: worker 4 is not known',
    });
    expect(
      ClusterMap.from({
        ...local,
        partitions: [own(1), partition(0, { configuration: null, target: target(1) })],
      }),
    ).toMatchObject({ answer: 'refused' });
  });
});

describe('a map is refused', () => {
  it.each<[string, Partial<MapDelta>]>([
    ['the news is about another cluster', { clusterId: clusterId('d'.repeat(32)) }],
    ['the news ends before it begins', { since: 0, version: -1 }],
    ['a record is newer than the news it came in', { workers: [worker(1, { revision: 2 })] }],
    ['a record is newer than the news it came in', { partitions: [partition(0, { revision: 2 })] }],
    [
      'partition 3 of a formed cluster has no configuration',
      { partitions: [0, 1, 2].map((p) => partition(p)) },
    ],
    [
      'partition 1 of a formed cluster has no configuration',
      { partitions: [partition(0), partition(1, { configuration: null }), partition(2), partition(3)] },
    ],
    ['partition 4: there is no such partition', { partitions: [0, 1, 2, 3, 4].map((p) => partition(p)) }],
    ['partition 0: worker 3 is not known', { workers: [worker(1), worker(2)] }],
    [
      'partition 0: worker 2 is in sync twice',
      { partitions: [partition(0, { configuration: configuration({ insync: members(1, 2, 2) }) })] },
    ],
    [
      'partition 0: the primary, on worker 4, is not in sync',
      { partitions: [partition(0, { configuration: configuration({ primary: member(4) }) })] },
    ],
    [
      'partition 0: the target names a worker twice',
      { partitions: [partition(0, { target: target(1, 1) })] },
    ],
    ['partitionCount is not from 1 to 16384', { settings: hashed({ partitionCount: 0 }) }],
    ['replicationFactor is not from 1 to 9', { settings: hashed({ replicationFactor: 10 }) }],
    ['minInSyncMax is not from 1 to replicationFactor', { settings: hashed({ minInSyncMax: 4 }) }],
    ['worker 1 has no weight from 1 to 1000', { workers: [worker(1, { weight: 0 })] }],
  ])('if %s', (reason, parts) => {
    const parsed = ClusterMap.from(news(parts));
    const applied = parts.clusterId === undefined ? parsed : map.apply(later(parts));
    expect(applied).toEqual({ answer: 'refused', reason });
  });

  it('if it does not begin at the beginning', () => {
    expect(ClusterMap.from(news({ since: 1 }))).toEqual({ answer: 'gap' });
    expect(ClusterMap.from(news({ settings: null }))).toEqual({ answer: 'gap' });
  });
});

describe('news', () => {
  const newer = configuration({ ...ver(1, 6), primary: member(2), kind: 'handover' });

  it('changes what it names and leaves the rest', () => {
    const next = mapOf(
      map.apply(later({ partitions: [partition(1, { revision: 2, configuration: newer, target: null })] })),
    );
    expect(next.version).toBe(2);
    expect(next.configurationOf(partitionId(1))).toEqual(newer);
    expect(next.targetOf(partitionId(1))).toEqual(target(1, 2, 3));
    expect(next.configurationOf(partitionId(0))).toBe(map.configurationOf(partitionId(0)));
    expect(map.configurationOf(partitionId(1))).toEqual(configuration());
  });

  it('never lowers a version: what is older is skipped', () => {
    const next = mapOf(
      map.apply(later({ partitions: [partition(1, { revision: 2, configuration: newer })] })),
    );
    const old = news({ version: 1, settings: hashed({ replicationFactor: 1 }) });
    const again = mapOf(next.apply(old));
    expect(again.version).toBe(2);
    expect(again.configurationOf(partitionId(1))).toEqual(newer);
    expect(again.settings).toEqual(hashed());
  });

  it('that begins after this map leaves a gap', () => {
    expect(map.apply(later({ since: 2, version: 3 }))).toEqual({ answer: 'gap' });
  });

  it('of another history is refused: two records of one version', () => {
    const fork = configuration({ primary: member(2) });
    expect(map.apply(later({ partitions: [partition(1, { configuration: fork })] }))).toEqual({
      answer: 'refused',
      reason: 'partition 1 has two configurations of one version',
    });
    expect(map.apply(later({ partitions: [partition(1, { target: target(3, 2) })] }))).toEqual({
      answer: 'refused',
      reason: 'partition 1 has two targets of one revision',
    });
  });

  it('may change replication, but neither placement nor the number of partitions', () => {
    const settings = hashed({ replicationFactor: 5, revision: 2 });
    expect(mapOf(map.apply(later({ settings }))).settings).toEqual(settings);
    expect(map.apply(later({ settings: hashed({ partitionCount: 8, revision: 2 }) }))).toMatchObject({
      reason: 'partitionCount is fixed when a cluster is created',
    });
    expect(map.apply(later({ settings: { ...LOCAL, revision: 2 } }))).toMatchObject({
      reason: 'placement is fixed when a cluster is created',
    });
    expect(
      map.apply(later({ settings: hashed({ clusterId: clusterId('d'.repeat(32)), revision: 2 }) })),
    ).toMatchObject({
      reason: 'the settings are those of another cluster',
    });
  });

  it('of a worker that went back to an older store is refused', () => {
    const back = worker(2, { revision: 2, registrationNumber: 1 });
    expect(map.apply(later({ workers: [back] }))).toMatchObject({
      reason: 'worker 2 would return to an older store',
    });
  });

  it('once formed, always formed', () => {
    expect(mapOf(map.apply(later({ formed: false }))).formed).toBe(true);
    const forming = mapOf(ClusterMap.from(news({ formed: false, partitions: [partition(0)] })));
    const rest = [1, 2, 3].map((p) => partition(p, { revision: 2 }));
    expect(forming.apply(later({ formed: true, partitions: rest.slice(1) }))).toMatchObject({
      reason: 'partition 1 of a formed cluster has no configuration',
    });
    expect(mapOf(forming.apply(later({ formed: true, partitions: rest }))).formed).toBe(true);
  });

  it('heard from replicas is taken without waiting for the master, and does not count as its news', () => {
    const next = mapOf(map.learn([{ partition: partitionId(1), configuration: newer }]));
    expect(next.configurationOf(partitionId(1))).toEqual(newer);
    expect(next.version).toBe(1);
    const confirmed = later({ partitions: [partition(1, { revision: 2, configuration: newer })] });
    expect(mapOf(next.apply(confirmed)).version).toBe(2);
    const older = mapOf(next.learn([{ partition: partitionId(1), configuration: configuration() }]));
    expect(older.configurationOf(partitionId(1))).toEqual(newer);
    expect(map.learn([{ partition: partitionId(9), configuration: newer }])).toMatchObject({
      answer: 'refused',
    });
    const fork = configuration({ primary: member(2) });
    expect(map.learn([{ partition: partitionId(1), configuration: fork }])).toMatchObject({
      answer: 'refused',
    });
  });

  it('since a version is what changed after it; since 0, everything', () => {
    const changed = partition(1, { revision: 2, configuration: newer });
    const next = mapOf(
      map.apply(later({ partitions: [changed], workers: [worker(3, { revision: 2, presence: 'down' })] })),
    );
    expect(next.deltaSince(1)).toEqual({
      clusterId: CLUSTER,
      since: 1,
      version: 2,
      formed: true,
      settings: null,
      workers: [worker(3, { revision: 2, presence: 'down' })],
      partitions: [changed],
    });
    expect(next.deltaSince(2)).toEqual(later({ since: 2 }));
    expect(mapOf(ClusterMap.from(next.deltaSince(0))).deltaSince(0)).toEqual(next.deltaSince(0));
    expect(mapOf(map.apply(next.deltaSince(1))).deltaSince(0)).toEqual(next.deltaSince(0));
  });
});
