import { describe, expect, it } from '@jest/globals';
import {
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type { Configuration, WorkerIndex } from '@diststore/cluster';
import { decodeBeacon, decodeBeaconAnswer, encodeBeacon, encodeBeaconAnswer } from '@diststore/replication';
import type { Beacon, BeaconItem, Effect, ReplicaEvent } from '@diststore/replication';

import { Beacons } from './beacons.js';
import type { Line } from './replica-network.js';

const P = partitionId(1);
const Q = partitionId(2);
const VER = { gen: generation(1), epoch: epoch(3) };
const ITEM: BeaconItem = { ver: VER, committed: 7, chain: { hi: 1, lo: 2 } };
const STORE = storeId('b'.repeat(32));
const MINE = incarnation('1'.repeat(16));
const THEIRS = incarnation('2'.repeat(16));
const member = { worker: workerIndex(2), store: STORE, incarnation: THEIRS };
const NEWER: Configuration = {
  gen: generation(1),
  epoch: epoch(4),
  primary: member,
  insync: [member],
  eligible: [],
  minInSync: 1,
  kind: 'promote',
  proposalId: proposalId('p'),
  by: member,
};

class Bench {
  readonly sent: { to: number; beacon: Beacon | undefined }[] = [];
  readonly stepped: { partition: number; event: ReplicaEvent }[] = [];
  readonly answers: Uint8Array[] = [];
  readonly malformed: string[] = [];
  readonly clocks = { jumpedAtMs: -Infinity };
  effects: Effect[] = [];
  readonly line: Line = {
    sender: { worker: workerIndex(2), store: STORE, boot: 5 },
    answer: (bytes) => this.answers.push(bytes),
    malformed: (detail) => this.malformed.push(detail),
  };
  readonly beacons = new Beacons({
    network: { send: (to, _lane, bytes) => this.sent.push({ to, beacon: decodeBeacon(bytes) }) },
    boot: 9,
    beaconMs: 100,
    leaseMs: 400,
    clocks: this.clocks,
    replicas: {
      sources: () => [
        { partition: P, beaconFor: (worker: WorkerIndex) => (worker === 2 ? ITEM : undefined) },
      ],
      partners: () => [workerIndex(2), workerIndex(3)],
      incarnationOf: (partition) => (partition === P ? MINE : undefined),
      step: (partition, event) => {
        this.stepped.push({ partition, event });
        return this.effects;
      },
    },
  });

  receive(bytes: Uint8Array): void {
    this.beacons.onMessage(this.line, Buffer.from(bytes));
  }
}

const beaconOf = (items: Beacon['items']): Uint8Array =>
  encodeBeacon({ boot: 5, sentAtMs: 1234.5, leaseMs: 400, items });

describe('Beacons', () => {
  it('go to those who have something to be told, once per interval', () => {
    const bench = new Bench();
    for (const nowMs of [1000, 1050, 1099, 1100, 1150]) bench.beacons.tick(nowMs);
    expect(bench.sent).toEqual(
      [1000, 1100].map((sentAtMs) => ({
        to: 2,
        beacon: { boot: 9, sentAtMs, leaseMs: 400, items: [{ partition: P, ...ITEM }] },
      })),
    );
  });

  it('are answered with what each replica says, in the words of the sender', () => {
    const bench = new Bench();
    bench.effects = [{ type: 'beaconAnswer', accepted: true, newer: undefined }];
    bench.receive(
      beaconOf([
        { partition: P, ...ITEM },
        { partition: Q, ...ITEM },
      ]),
    );
    expect(bench.stepped).toEqual([
      {
        partition: P,
        event: {
          type: 'beacon',
          from: { worker: 2, store: STORE },
          leaseMs: 400,
          item: { partition: P, ...ITEM },
        },
      },
    ]);
    expect(decodeBeaconAnswer(bench.answers[0] as Uint8Array)).toEqual({
      boot: 5,
      sentAtMs: 1234.5,
      accepted: [{ partition: P, ver: VER, incarnation: MINE }],
      rejected: [],
    });
  });

  it('are answered with what is newer, and are passed over where nothing is', () => {
    const bench = new Bench();
    bench.effects = [{ type: 'beaconAnswer', accepted: false, newer: NEWER }];
    bench.receive(beaconOf([{ partition: P, ...ITEM }]));
    bench.effects = [{ type: 'beaconAnswer', accepted: false, newer: undefined }];
    bench.receive(beaconOf([{ partition: P, ...ITEM }]));
    expect(bench.answers.map((bytes) => decodeBeaconAnswer(bytes)?.rejected)).toEqual([
      [{ partition: P, configuration: NEWER }],
      [],
    ]);
  });

  it('tell the replicas of accepted items, named by the connection and the answer', () => {
    const bench = new Bench();
    const accepted = [{ partition: P, ver: VER, incarnation: THEIRS }];
    const rejected = [{ partition: Q, configuration: NEWER }];
    bench.receive(encodeBeaconAnswer({ boot: 9, sentAtMs: 1000, accepted, rejected }));
    expect(bench.stepped).toEqual([
      { partition: P, event: { type: 'beaconAccepted', from: member, ver: VER, sentAtMs: 1000, boot: 9 } },
      { partition: Q, event: { type: 'configuration', configuration: NEWER } },
    ]);
  });

  it('grant nothing that an earlier process asked for, or was asked before the clocks jumped', () => {
    const bench = new Bench();
    const accepted = [{ partition: P, ver: VER, incarnation: THEIRS }];
    bench.receive(encodeBeaconAnswer({ boot: 8, sentAtMs: 1000, accepted, rejected: [] }));
    bench.clocks.jumpedAtMs = 1000;
    bench.receive(encodeBeaconAnswer({ boot: 9, sentAtMs: 1000, accepted, rejected: [] }));
    expect(bench.stepped).toEqual([]);
    bench.receive(encodeBeaconAnswer({ boot: 9, sentAtMs: 1000.5, accepted, rejected: [] }));
    expect(bench.stepped).toHaveLength(1);
  });

  it('close the line when they cannot be read', () => {
    const bench = new Bench();
    bench.receive(Buffer.from('nonsense'));
    expect(bench.malformed).toHaveLength(1);
    expect(bench.stepped).toEqual([]);
  });
});
