/**
 * Several workers in one process: real partitions on memory storage, real routers, and in place of the network a
 * function call. Maps are handed out by the test, so that some can be stale.
 */
import { describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import type {
  Configuration,
  Member,
  PartitionRecord,
  StoreId,
  Worker,
  WorkerIndex,
} from '@diststore/cluster';
import {
  clusterId,
  ClusterMap,
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  workerIndex,
} from '@diststore/cluster';
import { MemoryStorage } from '@diststore/storage';

import { PartitionHost } from '../data/partition-host.js';
import type { Answer, Question } from './operation.js';
import { Router } from './router.js';

const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };
const clock = { wallNowMs: () => 1000, monotonicNowMs: () => 1000 };
const CLUSTER = clusterId('c'.repeat(32));
const KEY = Buffer.from('key');

function memberOf(index: WorkerIndex): Member {
  const store = index.toString(16).padStart(32, '0') as StoreId;
  return { worker: index, store, incarnation: incarnation(index.toString(16).padStart(16, '0')) };
}

function workerOf(index: WorkerIndex): Worker {
  const http = { host: '127.0.0.1', port: 5000 + index };
  const state = {
    state: 'active',
    presence: 'up',
    sinceMs: 0,
    weight: 1,
    labels: { host: '', zone: '' },
  } as const;
  const { store } = memberOf(index);
  return {
    index,
    store,
    http,
    revision: 1,
    registrationNumber: index,
    boot: 1,
    redisCluster: null,
    redisGateway: null,
    ...state,
  };
}

/** One partition, which is on `primary` since `version`. */
function mapWith(primary: number, version: number): ClusterMap {
  const member = memberOf(workerIndex(primary));
  const configuration: Configuration = {
    gen: generation(1),
    epoch: epoch(version),
    primary: member,
    insync: [member],
    eligible: [],
    minInSync: 1,
    kind: 'create',
    proposalId: proposalId(`p${version}`),
    by: 'master',
  };
  const record: PartitionRecord = {
    partition: partitionId(0),
    revision: version,
    configuration,
    target: null,
  };
  const applied = ClusterMap.from({
    clusterId: CLUSTER,
    since: 0,
    version,
    formed: true,
    settings: {
      placement: 'hashed',
      clusterId: CLUSTER,
      revision: 1,
      partitionCount: 1,
      replicationFactor: 1,
      minInSyncMax: null,
    },
    workers: [1, 2, 3].map((index) => workerOf(workerIndex(index))),
    partitions: [record],
  });
  if (applied.answer !== 'applied') throw new Error(JSON.stringify(applied));
  return applied.map;
}

interface Node {
  readonly router: Router;
  readonly asked: Question[];
  map: ClusterMap;
  refreshes: number;
}

/** Workers 1 to 3; `maps` is what each believes, `truth` what a refresh brings and where the partition is. */
async function cluster(maps: readonly ClusterMap[], truth: ClusterMap): Promise<Node[]> {
  const nodes: Node[] = [];
  for (const [i, map] of maps.entries()) {
    const index = workerIndex(i + 1);
    const { store } = memberOf(index);
    const host = await PartitionHost.open(new MemoryStorage(), { worker: index, store }, clock, quiet);
    await host.adopt(truth);
    const follower = {
      get current() {
        return node.map;
      },
      required: () => node.map,
      refresh: () => {
        node.refreshes += 1;
        node.map = truth;
        return Promise.resolve();
      },
    };
    const peers = {
      ask: async (worker: WorkerIndex, question: Question): Promise<Answer> => {
        const peer = nodes[worker - 1];
        if (peer === undefined) throw new StoreError('retry-later', 'no such worker');
        peer.asked.push(question);
        return peer.router.answer(question);
      },
    };
    const node: Node = {
      router: new Router(index, host, follower, peers, undefined),
      asked: [],
      map,
      refreshes: 0,
    };
    nodes.push(node);
  }
  return nodes;
}

async function put({ router }: Node, value: string): Promise<unknown> {
  const { partition } = router.route(KEY);
  return router.perform(partition, { type: 'put', key: KEY, value: Buffer.from(value), options: {} });
}

async function get({ router }: Node): Promise<unknown> {
  const { partition } = router.route(KEY);
  const outcome = await router.perform(partition, { type: 'get', key: KEY });
  return outcome.type === 'found' ? outcome.record.payload.toString() : outcome.type;
}

describe('Router', () => {
  it('does here what is here, and asks the primary for everything else', async () => {
    const truth = mapWith(2, 2);
    const nodes = await cluster([truth, truth, truth], truth);
    const [one, two, three] = nodes as [Node, Node, Node];
    expect(await put(two, 'a')).toMatchObject({ type: 'stored', created: true });
    expect(two.asked).toHaveLength(0);
    expect(await get(one)).toBe('a');
    expect(await put(three, 'b')).toMatchObject({ type: 'stored', created: false });
    expect(await get(two)).toBe('b');
    expect(two.asked).toHaveLength(2);
  });

  it('renews its map when the one it asked is not the primary, and asks again', async () => {
    const truth = mapWith(3, 5);
    const nodes = await cluster([mapWith(2, 2), truth, truth], truth);
    const [one, two, three] = nodes as [Node, Node, Node];
    expect(await put(one, 'a')).toMatchObject({ type: 'stored' });
    expect([one.refreshes, two.asked.length, three.asked.length]).toEqual([1, 1, 1]);
    // The one asked in error has not passed it on.
    expect(two.refreshes).toBe(0);
  });

  it('renews its map when that map takes this very worker for the primary in error', async () => {
    const truth = mapWith(3, 5);
    const [one] = (await cluster([mapWith(1, 2), truth, truth], truth)) as [Node];
    expect(await put(one, 'a')).toMatchObject({ type: 'stored' });
    expect(one.refreshes).toBe(1);
  });

  it('gives up with retry-later after one renewal, so that a question never goes round in circles', async () => {
    // The map that a refresh brings is wrong as well: the partition is open nowhere.
    const nowhere = await cluster([mapWith(2, 2), mapWith(1, 2), mapWith(1, 2)], mapWith(3, 5));
    const [one, two, three] = nowhere as [Node, Node, Node];
    for (const { router } of [two, three])
      router.answer = () => Promise.resolve({ type: 'not-primary', mapVersion: 1 });
    await expect(put(one, 'a')).rejects.toMatchObject({ code: 'retry-later' });
    expect(two.asked.length + three.asked.length).toBe(2);
  });

  it('clears the whole keyspace through any worker', async () => {
    const truth = mapWith(2, 2);
    const [one] = (await cluster([truth, truth, truth], truth)) as [Node];
    await put(one, 'a');
    expect(await one.router.clear()).toEqual({ removed: 1, workers: [2] });
    expect(await get(one)).toBe('absent');
  });
});
