/**
 * Several workers in one process: real partitions on memory storage, real routers, and in place of the network a
 * function call. Maps are handed out by the test, so that some can be stale.
 */
import { describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import type { ClusterMap, WorkerIndex } from '@diststore/cluster';
import { workerIndex } from '@diststore/cluster';
import type { Result } from '@diststore/data';
import { clusterMap, hashedSettings, memberNumber } from '@diststore/testing';

import { mapOnOne, partitionsInMemory } from '../../test/partitions-in-memory.js';
import type { Answer, Question } from './question.js';
import { type LocalPartitions, Router } from './router.js';

const KEY = Buffer.from('key');
const LIMITS = { maxValueBytes: 1000 };

/** One partition, which is on `primary` since `version`. */
function mapWith(primary: number, version: number): ClusterMap {
  return mapOnOne(memberNumber(primary), 1, version);
}

/** As before the cluster is formed. */
function mapWithout(): ClusterMap {
  return clusterMap({
    formed: false,
    settings: hashedSettings({ partitionCount: 1 }),
    workers: [],
    partitions: [],
  });
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
    const opened = await partitionsInMemory({
      self: memberNumber(i + 1),
      map: truth,
      limits: LIMITS,
    });
    // What a worker knows beyond its map is left out: the map is what is in error here.
    const partitions: LocalPartitions = {
      primary: (partition) => opened.partitions.primary(partition),
      configurationOf: () => undefined,
    };
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
      // Patience is for real failovers: here a second look is enough.
      router: new Router(index, partitions, follower, peers, { ...LIMITS, patienceMs: 20 }),
      asked: [],
      map,
      refreshes: 0,
    };
    nodes.push(node);
  }
  return nodes;
}

async function put({ router }: Node, value: string): Promise<Result> {
  const { partition } = router.route(KEY);
  const put = { type: 'put', key: KEY, value: Buffer.from(value), contentType: undefined } as const;
  const operation = { ...put, expiry: { type: 'never' }, conditions: [], returnOld: false } as const;
  return (await router.perform(partition, operation)).result;
}

async function get({ router }: Node): Promise<string | undefined> {
  return (await router.get(router.route(KEY).partition, KEY))?.payload.toString();
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

  it('asks for news of a partition that it does not know of: it may just have been created', async () => {
    const truth = mapWith(2, 5);
    const [one] = (await cluster([mapWithout(), truth, truth], truth)) as [Node];
    expect(await put(one, 'a')).toMatchObject({ type: 'stored' });
  });

  it('does not wait for a partition that was never created', async () => {
    const truth = mapWithout();
    const [one] = (await cluster([truth, truth, truth], truth)) as [Node];
    await expect(put(one, 'a')).rejects.toMatchObject({ code: 'retry-later' });
    expect(one.refreshes).toBe(1);
  });

  it('gives up with retry-later after a while, and a question never goes round in circles', async () => {
    // The map that a refresh brings is wrong as well: the partition is open nowhere.
    const nowhere = await cluster([mapWith(2, 2), mapWith(1, 2), mapWith(1, 2)], mapWith(3, 5));
    const [one, two, three] = nowhere as [Node, Node, Node];
    for (const { router } of [two, three])
      router.answer = () => Promise.resolve({ type: 'not-primary', mapVersion: 1 });
    await expect(put(one, 'a')).rejects.toMatchObject({ code: 'retry-later' });
    expect(two.asked.length + three.asked.length).toBeGreaterThan(1);
    expect(two.refreshes + three.refreshes).toBe(0);
  });

  it('asks the primary for pages and counts as well', async () => {
    const truth = mapWith(2, 2);
    const [one, two] = (await cluster([truth, truth, truth], truth)) as [Node, Node];
    const [partition] = one.router.partitions();
    if (partition === undefined) throw new Error('no partition');
    await put(two, 'value');
    for (const { router } of [one, two]) {
      expect(await router.counts(partition)).toEqual({ keys: 1, bytes: 8 });
      const page = await router.page(partition, Buffer.alloc(0), undefined, { limit: 10, keysOnly: true });
      expect(page).toMatchObject({ records: [{ key: KEY }], next: undefined });
      expect(
        await router.page(partition, Buffer.from('l'), undefined, { limit: 10, keysOnly: true }),
      ).toMatchObject({
        records: [],
      });
    }
    expect(two.asked.map(({ type }) => type)).toEqual(['counts', 'page', 'page']);
  });

  it('does not do for a peer what is beyond the limits here', async () => {
    const truth = mapWith(2, 2);
    const [one] = (await cluster([truth, truth, truth], truth)) as [Node];
    await expect(put(one, 'x'.repeat(1001))).rejects.toMatchObject({ code: 'value-too-large' });
  });

  it('clears the whole keyspace through any worker', async () => {
    const truth = mapWith(2, 2);
    const [one] = (await cluster([truth, truth, truth], truth)) as [Node];
    await put(one, 'a');
    expect(await one.router.clear()).toEqual({ removed: 1, workers: [2] });
    expect(await get(one)).toBeUndefined();
  });
});
