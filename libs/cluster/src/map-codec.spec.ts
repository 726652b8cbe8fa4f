import { isStoreError } from '@diststore/base';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  configuration,
  hashed,
  LOCAL,
  member,
  members,
  news,
  partition,
  target,
  worker,
} from '../test/fixtures.js';
import { ClusterMap } from './cluster-map.js';
import type { Json } from './json-fields.js';
import {
  decodeDelta,
  decodeMap,
  decodeSettings,
  decodeWorker,
  encodeDelta,
  encodeMap,
  encodeSettings,
  encodeWorker,
} from './map-codec.js';
import type { MapDelta } from './map-delta.js';
import { PRESENCES, WORKER_STATES } from './worker.js';
import type { Worker } from './worker.js';

const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

const someAddress = fc.record({
  host: fc.constantFrom('localhost', '::1', '10.0.0.1'),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const someWorker: fc.Arbitrary<Worker> = fc
  .record({
    index: fc.integer({ min: 1, max: 999 }),
    revision: fc.nat(100),
    boot: fc.nat(),
    state: fc.constantFrom(...WORKER_STATES),
    presence: fc.constantFrom(...PRESENCES),
    sinceMs: fc.nat(),
    http: someAddress,
    redisCluster: fc.option(someAddress),
    redisGateway: fc.option(someAddress),
    labels: fc.record({ host: fc.string({ maxLength: 64 }), zone: fc.string({ maxLength: 64 }) }),
    weight: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ index, ...parts }) => worker(index, parts));

/** News of any sound shape; whether it fits a map is another question. */
const someNews: fc.Arbitrary<MapDelta> = fc.record({
  clusterId: fc.constant(hashed().clusterId),
  since: fc.nat(50),
  version: fc.integer({ min: 50, max: 100 }),
  formed: fc.boolean(),
  settings: fc.constantFrom(null, LOCAL, hashed(), hashed({ minInSyncMax: 2 })),
  workers: fc.array(someWorker, { maxLength: 5 }),
  partitions: fc.array(
    fc
      .record({
        p: fc.nat(16_383),
        revision: fc.nat(100),
        placed: fc.boolean(),
        created: fc.boolean(),
        lead: fc.integer({ min: 1, max: 3 }),
      })
      .map(({ p, revision, placed, created, lead }) =>
        partition(p, {
          revision,
          configuration: created ? configuration({ primary: member(lead) }) : null,
          target: placed ? target(lead, 4) : null,
        }),
      ),
    { maxLength: 5 },
  ),
});

describe('the cluster map on the wire', () => {
  it('a whole map survives', () => {
    const applied = ClusterMap.from(news());
    const map = applied.answer === 'applied' ? applied.map : ClusterMap.empty(hashed());
    expect(decodeMap(overTheWire(encodeMap(map))).deltaSince(0)).toEqual(map.deltaSince(0));
  });

  it('any news survives', () => {
    fc.assert(
      fc.property(someNews, (one) => {
        expect(decodeDelta(overTheWire(encodeDelta(one)))).toEqual(one);
      }),
    );
  });

  it('any worker and any settings survive', () => {
    fc.assert(
      fc.property(someWorker, (one) => expect(decodeWorker(overTheWire(encodeWorker(one)))).toEqual(one)),
    );
    for (const one of [LOCAL, hashed(), hashed({ minInSyncMax: 2 })])
      expect(decodeSettings(overTheWire(encodeSettings(one)))).toEqual(one);
  });

  it('a map with a hole is refused with the reason', () => {
    const holed = encodeDelta(news({ partitions: [0, 1, 3].map((p) => partition(p)) }));
    expect(() => decodeMap(holed)).toThrow(
      'map is refused: partition 2 of a formed cluster has no configuration',
    );
  });

  it('a map with a member twice, or a primary out of sync, is refused with the reason', () => {
    const twice = partition(0, { configuration: configuration({ insync: members(1, 2, 2) }) });
    expect(() => decodeMap(encodeDelta(news({ partitions: [twice] })))).toThrow(
      'map.partitions[0].configuration is refused: worker 2 is in sync twice',
    );
    const record = encodeDelta(news())['partitions'] as { configuration: Json }[];
    const led = [{ ...record[0], configuration: { ...record[0]?.configuration, primary: 7 } }];
    expect(() => decodeMap({ ...encodeDelta(news()), partitions: led })).toThrow(
      'map.partitions[0].configuration is refused: the primary is not in sync',
    );
  });

  it('news is not a whole map', () => {
    expect(() => decodeMap(encodeDelta(news({ settings: null })))).toThrow('map is refused: it is not whole');
  });

  it.each<[string, Json]>([
    ['news.v is not 1, the only version known here', { v: 0 }],
    ['news has an unknown field, "extra"', { extra: 1 }],
    ['news.clusterId is not a cluster id', { clusterId: 'C'.repeat(32) }],
    ['news.since is not a whole number', { since: -1 }],
    ['news.formed is not true or false', { formed: 1 }],
    ['news.settings is not an object', { settings: 1 }],
    [
      'news.settings.placement is not one of hashed, local',
      { settings: { ...encodeSettings(hashed()), placement: 'x' } },
    ],
    [
      'news.settings has an unknown field, "partitionCount"',
      { settings: { ...encodeSettings(hashed()), placement: 'local' } },
    ],
    [
      'news.settings.replicationFactor is not a whole number from 1 to 9',
      { settings: encodeSettings(hashed({ replicationFactor: 0 })) },
    ],
    [
      'news.settings is refused: minInSyncMax is not',
      { settings: encodeSettings(hashed({ minInSyncMax: 4 })) },
    ],
    ['news.workers is not a list of at most 999', { workers: Array.from({ length: 1000 }, () => 0) }],
    [
      'news.workers[0].index is not a worker index',
      { workers: [{ ...encodeWorker(worker(1)), index: 1000 }] },
    ],
    ['news.workers[0].http is not an object', { workers: [{ ...encodeWorker(worker(1)), http: null }] }],
    [
      'news.workers[0].http.port is not',
      { workers: [{ ...encodeWorker(worker(1)), http: { host: 'h', port: 0 } }] },
    ],
    [
      'news.workers[0].labels.zone is not',
      { workers: [{ ...encodeWorker(worker(1)), labels: { host: 'h' } }] },
    ],
    [
      'news.workers[0] is refused: worker 1 has no host name',
      { workers: [{ ...encodeWorker(worker(1)), http: { host: '', port: 1 } }] },
    ],
    ['news.partitions is not a list of at most 16384', { partitions: 'all' }],
    ['news.partitions[0].partition is not a partition number', { partitions: [{ partition: 16_384 }] }],
  ])('%s', (reason, parts) => {
    expect(() => decodeDelta({ ...encodeDelta(news()), ...parts })).toThrow(reason);
  });

  it('any JSON, and good news with any field replaced by any JSON, is decoded or refused with the documented error', () => {
    const good = encodeDelta(news());
    const replaced = fc
      .tuple(fc.constantFrom(...Object.keys(good)), fc.jsonValue())
      .map(([name, value]) => ({ ...good, [name]: value }));
    const inWorker = fc
      .tuple(fc.constantFrom(...Object.keys(encodeWorker(worker(1)))), fc.jsonValue())
      .map(([name, value]) => ({ ...good, workers: [{ ...encodeWorker(worker(1)), [name]: value }] }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), replaced, inWorker), (value) => {
        for (const decode of [decodeMap, decodeDelta, decodeWorker, decodeSettings]) {
          try {
            decode(value);
          } catch (error) {
            if (!isStoreError(error, 'bad-request')) throw error;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
