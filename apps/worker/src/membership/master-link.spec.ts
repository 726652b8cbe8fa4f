/** The worker's half of registration and recovery, against a master that says what the test wants. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import type { HeartbeatAnswer, PartitionConfiguration, Registration, Welcomed } from '@diststore/cluster';
import {
  clusterId,
  epoch,
  generation,
  incarnation,
  parseHeartbeat,
  parseRegistration,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import { MemoryStorage, openStore } from '@diststore/storage';

import type { MasterClient } from './master-client.js';
import { MasterLink } from './master-link.js';
import { Membership } from './membership.js';

const store = storeId('a'.repeat(32));
const member = { worker: workerIndex(1), store, incarnation: incarnation('b'.repeat(16)) };
const installed: PartitionConfiguration[] = [
  {
    partition: partitionId(5),
    configuration: {
      ...{
        gen: generation(1),
        epoch: epoch(7),
        primary: member,
        insync: [member],
        eligible: [],
        minInSync: 1,
      },
      ...{ kind: 'create', proposalId: proposalId('p'), by: 'master' },
    },
  },
];

class Master implements MasterClient {
  readonly registrations: Required<Registration>[] = [];
  readonly heartbeats: string[] = [];
  isAway = false;
  refusal: StoreError | undefined;
  welcome: (registration: Required<Registration>) => Partial<Welcomed> = () => ({});
  beat: () => Partial<HeartbeatAnswer> = () => ({});

  async send(_method: string, path: string, message: unknown): Promise<unknown> {
    await Promise.resolve();
    if (this.isAway) throw new Error('connect ECONNREFUSED');
    if (this.refusal !== undefined) throw this.refusal;
    const json: unknown = JSON.parse(JSON.stringify(message));
    if (path.endsWith('/heartbeat')) {
      this.heartbeats.push(parseHeartbeat(json).state);
      return { generation: 1, configurationsWanted: false, clusterStopping: false, ...this.beat() };
    }
    const registration = parseRegistration(json);
    this.registrations.push(registration);
    return {
      ...{ clusterId: 'c'.repeat(32), heartbeatMs: 3_600_000, generation: 1, timing: 'default' },
      ...{ master: { boot: 1, nonce: 'aa' }, configurationsWanted: false },
      ...this.welcome(registration),
    };
  }
}

describe('MasterLink', () => {
  let storage: MemoryStorage;
  let membership: Membership;
  let master: Master;
  let link: MasterLink;
  const fences: number[] = [];
  const fatal: unknown[] = [];

  beforeEach(async () => {
    storage = new MemoryStorage();
    membership = new Membership(storage, await openStore(storage, { kind: 'worker', index: 1 }));
    master = new Master();
    fences.length = 0;
    fatal.length = 0;
    link = new MasterLink({
      masterUrl: 'http://master',
      index: 1,
      client: master,
      registration: () => ({
        ...{ store, boot: 1, nonce: '0'.repeat(16), earlier: membership.earlierStarts },
        ...{ clusterId: membership.clusterId, pid: 1, weight: 1 },
        ...{ http: { host: 'a', port: 1 }, labels: { host: '', zone: '' } },
      }),
      heartbeat: () => ({ keys: 0, bytes: 0 }),
      joined: () => Promise.resolve(),
      standing: {
        membership,
        map: () => undefined,
        installed: () => installed,
        fence: (gen) => {
          // Durable before the replicas hear of it, and so before anything is answered.
          expect(membership.fence).toBe(gen);
          fences.push(gen);
        },
      },
      lifecycle: { fatal: (error) => void fatal.push(error) },
      log: { log: () => undefined, warn: () => undefined, error: () => undefined },
    });
  });

  it('registers with a short report, makes the membership durable, and says that it serves', async () => {
    expect(await link.connect()).toMatchObject({ state: 'connected' });
    expect(link.isReachable).toBe(true);
    expect(master.registrations).toMatchObject([
      {
        report: {
          ...{ gen: 1, map: null, master: null, configurations: null },
          installed: [{ partition: 5, ver: { gen: 1, epoch: 7 } }],
        },
      },
    ]);
    expect(master.heartbeats).toEqual(['serving']);
    const again = new Membership(storage, await openStore(storage, { kind: 'worker', index: 1 }));
    expect(again).toMatchObject({ clusterId: clusterId('c'.repeat(32)), master: { boot: 1, nonce: 'aa' } });
    await link.stop();
  });

  it('answers a recovery with its configurations, from behind the fence', async () => {
    // The first report freezes the master, the second is what it was waiting for.
    master.welcome = ({ report }) => ({
      generation: generation(2),
      configurationsWanted: report?.configurations === null,
    });
    master.beat = () => ({ generation: generation(2) });
    await link.connect();
    expect(master.registrations.map(({ report }) => [report?.gen, report?.configurations])).toEqual([
      [1, null],
      [2, installed],
    ]);
    expect(fences).toEqual([2]);
    expect(membership.fence).toBe(2);
    await link.stop();
  });

  it('hears of a recovery by its heartbeat, and reports once, not at every heartbeat', async () => {
    await link.connect();
    const frozen = { generation: generation(2), configurationsWanted: true };
    master.welcome = () => frozen;
    master.beat = () => frozen;
    await link.connect();
    expect(master.registrations.slice(1).map(({ report }) => report?.configurations !== null)).toEqual([
      false,
      true,
    ]);
    await link.connect();
    await link.connect();
    expect(master.registrations).toHaveLength(3);
    expect(link.isReachable).toBe(true);
    await link.stop();
  });

  it('does not follow a master that was put back to an older copy', async () => {
    await membership.accept({
      ...{ clusterId: clusterId('c'.repeat(32)), heartbeatMs: 1, generation: generation(1) },
      ...{ master: { boot: 2, nonce: 'bb' }, timing: 'default', configurationsWanted: false },
    });
    expect(await link.connect()).toMatchObject({
      state: 'searching',
      reason: expect.stringMatching(/older than 2/),
    });
    expect(master.registrations).toMatchObject([{ report: { master: { boot: 2, nonce: 'bb' } } }]);
    expect(membership.master).toEqual({ boot: 2, nonce: 'bb' });
    await link.stop();
  });

  it('hears at its stop whether the whole cluster stops', async () => {
    await link.connect();
    expect(link.clusterStopping).toBe(false);
    master.beat = () => ({ clusterStopping: true });
    await link.stop();
    expect(master.heartbeats).toEqual(['serving', 'draining']);
    expect(link.clusterStopping).toBe(true);
  });

  it('ends the process when its master is of another cluster, but not once it was welcomed', async () => {
    const facts = { final: true, cluster: clusterId('d'.repeat(32)) };
    const foreign = new StoreError('worker-refused', 'another cluster', { facts });
    await link.connect();
    master.refusal = foreign;
    await link.connect();
    expect(fatal).toEqual([]);
    expect(link.status()).toMatchObject({ state: 'searching', reason: expect.stringContaining('another') });
    master.refusal = new StoreError('worker-refused', 'removed', { facts: { final: true } });
    await link.connect();
    expect(fatal).toHaveLength(1);
    await link.stop();
  });

  it('says that the master is away, and finds it again', async () => {
    await link.connect();
    master.isAway = true;
    await link.connect();
    expect(link.isReachable).toBe(false);
    master.isAway = false;
    await link.connect();
    expect(link.isReachable).toBe(true);
    expect(fatal).toEqual([]);
    await link.stop();
  });
});
