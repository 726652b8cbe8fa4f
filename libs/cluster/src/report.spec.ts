import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  configuration,
  CLUSTER,
  hashed,
  member,
  members,
  news,
  partition,
  storeAt,
  ver,
} from '../test/fixtures.js';
import { ClusterMap } from './cluster-map.js';
import { parseHeartbeatAnswer, parseRegistration, parseWelcomed } from './control.js';
import { generation, partitionId, proposalId, workerIndex } from './ids.js';
import {
  decodeDecisions,
  decodeProposalBatch,
  encodeDecisions,
  encodeProposalBatch,
  PROPOSALS_PER_BATCH_MAX,
} from './proposal-batch.js';
import type { Proposal } from './proposal.js';
import type { Report } from './report.js';
import { decodeReport, encodeReport } from './report.js';

const BAD_REQUEST = expect.objectContaining({ code: 'bad-request' });
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const vers = fc.record({
  gen: fc.integer({ min: 1, max: 9 }),
  epoch: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});
const reports: fc.Arbitrary<Report> = fc
  .record({
    gen: fc.integer({ min: 1, max: 9 }),
    map: fc.option(fc.record({ gen: fc.integer({ min: 1 }), version: fc.nat() })),
    master: fc.option(
      fc.record({ boot: fc.integer({ min: 1 }), nonce: fc.stringMatching(/^[0-9a-f]{0,64}$/) }),
    ),
    installed: fc.uniqueArray(fc.tuple(fc.nat(16_383), vers), { selector: ([p]) => p, maxLength: 20 }),
    isWhole: fc.boolean(),
  })
  .map(({ installed, isWhole, ...rest }) => {
    const configurations = installed.map(([number, at]) => ({
      partition: partitionId(number),
      configuration: configuration({ ...ver(at.gen, at.epoch) }),
    }));
    return {
      ...rest,
      installed: installed.map(([number, at]) => ({
        partition: partitionId(number),
        ver: ver(at.gen, at.epoch),
      })),
      configurations: isWhole ? configurations : null,
    } as unknown as Report;
  });

describe('a report', () => {
  it('says over the wire what it said before', () => {
    fc.assert(
      fc.property(reports, (report) => {
        expect(decodeReport(overTheWire(encodeReport(report)))).toEqual(report);
      }),
    );
  });

  it('of 16,384 partitions stays below 512 KiB in its short form', () => {
    const installed = Array.from({ length: 16_384 }, (_unused, p) => ({
      partition: partitionId(p),
      ver: ver(1, 1_000_000),
    }));
    const report = { gen: generation(1), map: null, master: null, installed, configurations: null };
    expect(JSON.stringify(encodeReport(report)).length).toBeLessThan(512 * 1024);
  });

  it.each([
    ['that breaks off', [0, 1]],
    ['with a partition twice', [0, 1, 1, 0, 1, 2]],
    ['with a partition that cannot be', [16_384, 1, 1]],
    ['with epoch 0', [0, 1, 0]],
    ['of something else', ['0', 1, 1]],
  ])('is refused with a list %s', (_what, installed) => {
    const json = { gen: 1, map: null, master: null, installed, configurations: null };
    expect(() => decodeReport(json)).toThrow(BAD_REQUEST);
  });

  it('comes with a registration, or not', () => {
    const said = {
      ...{ store: storeAt(1), boot: 1, nonce: '0'.repeat(16), clusterId: null, pid: 7 },
      earlier: [{ boot: 1, nonce: '1'.repeat(16) }],
      ...{ http: { host: 'a', port: 1 }, labels: { host: '', zone: '' }, weight: 1 },
    };
    const nothing = { redisCluster: null, redisGateway: null, report: null };
    expect(parseRegistration(said)).toEqual({ ...said, ...nothing });
    const report = { gen: generation(2), map: null, master: null, installed: [], configurations: [] };
    const more = { ...said, redisCluster: { host: 'a', port: 7001 }, redisGateway: null };
    expect(parseRegistration({ ...more, report: encodeReport(report) })).toEqual({ ...more, report });
    expect(() => parseRegistration({ ...said, redisGateway: { host: 'a', port: 0 } })).toThrow(BAD_REQUEST);
  });
});

describe('what the master answers', () => {
  const welcomed = {
    ...{ clusterId: CLUSTER, heartbeatMs: 1000, generation: 1, timing: 'fast' },
    ...{ master: { boot: 3, nonce: 'ab' }, configurationsWanted: false },
  };

  it('is read as it is', () => {
    expect(parseWelcomed(welcomed)).toEqual(welcomed);
    const answer = { generation: 2, configurationsWanted: true, clusterStopping: false };
    expect(parseHeartbeatAnswer(answer)).toEqual(answer);
  });

  it.each([
    ['a profile of times that is not known', { timing: 'faster' }],
    ['no generation', { generation: 0 }],
    ['a master without a start', { master: null }],
  ])('is refused with %s', (_what, change) => {
    expect(() => parseWelcomed({ ...welcomed, ...change })).toThrow(BAD_REQUEST);
  });
});

describe('a batch of proposals', () => {
  const proposal: Proposal = {
    ...{ kind: 'restart', partition: partitionId(0), expect: ver(1, 5), proposalId: proposalId('p') },
    ...{ by: member(1), next: { primary: member(1), insync: members(1, 2) } },
  };
  const speaker = { store: storeAt(1), boot: 2, nonce: '0'.repeat(16) };

  it('says over the wire what it said before, and so do the decisions', () => {
    const batch = { worker: workerIndex(1), speaker, proposals: [proposal] };
    expect(decodeProposalBatch(overTheWire(encodeProposalBatch(batch)))).toEqual(batch);
    const decisions = [
      { answer: 'accepted', configuration: configuration() },
      { answer: 'refused', reason: 'wrong-next' },
    ] as const;
    expect(decodeDecisions(overTheWire(encodeDecisions(decisions)), 2)).toEqual(decisions);
    expect(() => decodeDecisions(overTheWire(encodeDecisions(decisions)), 1)).toThrow(BAD_REQUEST);
  });

  it('is refused beyond its bound', () => {
    const proposals = Array.from({ length: PROPOSALS_PER_BATCH_MAX + 1 }, () => proposal);
    const batch = encodeProposalBatch({ worker: workerIndex(1), speaker, proposals });
    expect(() => decodeProposalBatch(overTheWire(batch))).toThrow(BAD_REQUEST);
  });
});

describe('the generation of a map', () => {
  it('is the lowest of its configurations', () => {
    expect(ClusterMap.empty(hashed()).generation).toBeUndefined();
    const partitions = [0, 1, 2, 3].map((number) =>
      partition(number, { configuration: configuration(ver(number === 2 ? 2 : 3, 1)) }),
    );
    const applied = ClusterMap.from(news({ partitions }));
    expect(applied.answer === 'applied' && applied.map.generation).toBe(2);
  });
});
