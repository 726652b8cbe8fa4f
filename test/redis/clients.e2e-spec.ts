/** What applications do with the client libraries: clusters, pipelines, transactions, scans, failover of the pool. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { useSandbox } from '@diststore/testing';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { createClient as createClient6, createCluster as createCluster6 } from 'redis';
import { createClient as createClient5, createCluster as createCluster5 } from 'redis5';

import { isInstalled } from './installed.js';
import { type RedisCluster, startRedisCluster } from './redis-cluster.js';

const sandbox = useSandbox('all');
let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster(sandbox(), 3);
}, 120_000);

const KEYS = 500;
const names = Array.from({ length: KEYS }, (_, i) => `key:${i}`);
const clusterPort = (worker: number): number => cluster.workers[worker]?.clusterPort ?? 0;
const gatewayPort = (worker: number): number => cluster.workers[worker]?.gatewayPort ?? 0;
const HOST = '127.0.0.1';

describe.each([
  ['ioredis 6', Cluster6],
  ['ioredis 5', Cluster5 as unknown as typeof Cluster6],
])('%s, as a cluster', (_name, Cluster) => {
  it('finds every key from one seed', async () => {
    const redis = new Cluster([{ host: HOST, port: clusterPort(2) }]);
    try {
      // Of the whole keyspace, whoever is asked.
      await redis.flushall();
      await Promise.all(names.map((name, i) => redis.set(name, i)));
      const values = await Promise.all(names.map((name) => redis.get(name)));
      expect(values).toEqual(names.map((_, i) => String(i)));
      expect(redis.nodes('master')).toHaveLength(3);
      const sizes = await Promise.all(redis.nodes('master').map((node) => node.dbsize()));
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(KEYS);
      expect(Math.min(...sizes)).toBeGreaterThan(0);

      await expect(redis.mget('key:0', 'key:1')).rejects.toThrow(/^CROSSSLOT/);
      await redis.mset('{user1}:name', 'Ann', '{user1}:mail', 'a@x');
      expect(await redis.mget('{user1}:name', '{user1}:mail', '{user1}:none')).toEqual(['Ann', 'a@x', null]);
      expect(await redis.multi().incr('{user1}:n').incr('{user1}:n').get('{user1}:name').exec()).toEqual([
        [null, 1],
        [null, 2],
        [null, 'Ann'],
      ]);
      const piped = await redis.pipeline().set('{p}a', '1').get('{p}a').del('{p}a').exec();
      expect(piped).toEqual([
        [null, 'OK'],
        [null, '1'],
        [null, 1],
      ]);
    } finally {
      redis.disconnect();
    }
  });
});

describe.each([
  ['node-redis 6', createCluster6],
  ['node-redis 5', createCluster5 as unknown as typeof createCluster6],
])('%s, as a cluster', (_name, createCluster) => {
  it('finds every key from one seed', async () => {
    const redis = createCluster({ rootNodes: [{ url: `redis://${HOST}:${clusterPort(0)}` }] });
    redis.on('error', () => undefined);
    await redis.connect();
    try {
      expect(redis.masters).toHaveLength(3);
      await Promise.all(names.map((name, i) => redis.set(name, i)));
      expect(await Promise.all(names.map((name) => redis.get(name)))).toEqual(names.map((_, i) => String(i)));
      expect(await redis.multi().set('{u}a', '1').incr('{u}a').exec()).toEqual(['OK', 2]);
    } finally {
      redis.destroy();
    }
  });
});

describe.each([
  ['ioredis 6', Redis6],
  ['ioredis 5', Redis5 as unknown as typeof Redis6],
])('%s, as a single server', (_name, Redis) => {
  it('has all keys, whichever worker it asks', async () => {
    const redis = new Redis(gatewayPort(0), HOST);
    const other = new Redis(gatewayPort(1), HOST);
    try {
      await redis.flushall();
      const pipeline = redis.pipeline();
      for (const [i, name] of names.entries()) pipeline.set(name, i);
      expect((await pipeline.exec())?.every(([error, reply]) => error === null && reply === 'OK')).toBe(true);
      expect(await other.mget(...names)).toEqual(names.map((_, i) => String(i)));
      expect(await other.dbsize()).toBe(KEYS);
      const found: string[] = [];
      for await (const keys of other.scanStream({ count: 50 })) found.push(...(keys as string[]));
      expect(found.sort()).toEqual([...names].sort());
      expect(await other.exists(...names, 'none')).toBe(KEYS);
      expect(await redis.del(...names)).toBe(KEYS);
      expect(await other.dbsize()).toBe(0);
    } finally {
      redis.disconnect();
      other.disconnect();
    }
  });

  it('watches and changes in one step', async () => {
    const redis = new Redis(gatewayPort(0), HOST);
    const other = new Redis(gatewayPort(2), HOST);
    try {
      await redis.set('{w}k', '1');
      await redis.watch('{w}k');
      await other.set('{w}k', '2');
      expect(await redis.multi().set('{w}k', '3').exec()).toBeNull();
      await redis.watch('{w}k');
      expect(await redis.multi().incr('{w}k').get('{w}k').exec()).toEqual([
        [null, 3],
        [null, '3'],
      ]);
    } finally {
      redis.disconnect();
      other.disconnect();
    }
  });
});

describe.each([
  ['node-redis 6', createClient6],
  ['node-redis 5', createClient5 as unknown as typeof createClient6],
])('%s, as a single server', (_name, createClient) => {
  it('has all keys, watches, and scans', async () => {
    const redis = createClient({ socket: { host: HOST, port: gatewayPort(1) } });
    redis.on('error', () => undefined);
    await redis.connect();
    try {
      await redis.flushAll();
      await redis.mSet(names.flatMap((name, i): [string, string][] => [[name, String(i)]]));
      expect(await redis.mGet(names)).toEqual(names.map((_, i) => String(i)));
      const found: string[] = [];
      for await (const keys of redis.scanIterator({ COUNT: 100, MATCH: 'key:1*' })) found.push(...keys);
      expect(found.sort()).toEqual(names.filter((name) => name.startsWith('key:1')).sort());
      expect(await redis.set('a', 'x', { expiration: { type: 'EX', value: 100 }, condition: 'NX' })).toBe(
        'OK',
      );
      expect(await redis.ttl('a')).toBeLessThanOrEqual(100);
      expect(await redis.multi().set('{m}a', '1').incr('{m}a').exec()).toEqual(['OK', 2]);
    } finally {
      redis.destroy();
    }
  });
});

function messageOf(error: unknown): string {
  return (error as Error).message;
}

describe('READONLY', () => {
  it('reads on any worker that has a replica, which is every one of three, until READWRITE', async () => {
    const writer = new Redis6(gatewayPort(0), HOST);
    await writer.set('ro', 'value');
    try {
      const answers: string[] = [];
      for (const worker of [0, 1, 2]) {
        const redis = new Redis6(clusterPort(worker), HOST);
        try {
          const direct = await redis.get('ro').catch(messageOf);
          await redis.readonly();
          // A replica may not have heard yet that the write is committed.
          await sandbox().eventually('the replica has it', async () => (await redis.get('ro')) === 'value');
          const write = await redis.set('ro', 'value').catch(messageOf);
          expect(write === 'OK').toBe(direct === 'value');
          await redis.readwrite();
          expect(await redis.get('ro').catch(messageOf)).toBe(direct);
          answers.push(direct?.replace(/ .*/, '') ?? 'nothing');
        } finally {
          redis.disconnect();
        }
      }
      expect(answers.sort()).toEqual(['MOVED', 'MOVED', 'value']);
    } finally {
      writer.disconnect();
    }
  });
});

(isInstalled('redis-cli') ? describe : describe.skip)('redis-cli', () => {
  const cli = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('redis-cli', args)).stdout;

  it('reads through any worker what was written through another', async () => {
    expect(await cli('-p', String(gatewayPort(0)), 'set', 'cli', 'value')).toBe('OK\n');
    expect(await cli('-p', String(gatewayPort(2)), 'get', 'cli')).toBe('value\n');
  });

  it('follows redirections with -c', async () => {
    for (const name of names.slice(0, 20)) {
      expect(await cli('-c', '-p', String(clusterPort(0)), 'set', name, 'value')).toMatch(/OK\n$/);
      expect(await cli('-c', '-p', String(clusterPort(1)), 'get', name)).toMatch(/value\n$/);
    }
  });

  it('finds the cluster in order', async () => {
    const report = await cli('--cluster', 'check', `${HOST}:${clusterPort(0)}`);
    expect(report).toContain('[OK] All nodes agree about slots configuration.');
    expect(report).toContain('[OK] All 16384 slots covered.');
  });
});
