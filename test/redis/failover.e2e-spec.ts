/** Transactions and WAIT on a real cluster, when the worker that leads the key dies in between. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { useSandbox } from '@diststore/testing';

import { type RedisCluster, startRedisCluster } from './redis-cluster.js';
import { RedisConnection } from './redis-connection.js';

const sandbox = useSandbox('all');
let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster(sandbox(), 3);
}, 120_000);

const KEYS = ['{w}same', '{w}changed', '{w}other'] as const;

describe('a failover', () => {
  it('between WATCH and EXEC is no change; what others wrote is, and WAIT tells how many replicas are left', async () => {
    const [same, changed, other] = KEYS;
    const leader = await leaderOf(same);
    const asked = cluster.workers[leader === 0 ? 1 : 0];
    const open = () => RedisConnection.open(asked?.gatewayPort ?? 0);
    const [first, second, writer] = await Promise.all([open(), open(), open()]);
    for (const key of KEYS) expect(await writer.call('SET', key, 1)).toBe('+OK');
    expect(await writer.call('WAIT', 2, 0)).toBe(2);
    expect(await writer.call('WAITAOF', 1, 2, 0)).toEqual([1, 2]);
    expect(await first.call('WATCH', same)).toBe('+OK');
    expect(await second.call('WATCH', changed)).toBe('+OK');

    await cluster.workers[leader]?.app.process.kill();
    await sandbox().eventually('another worker leads', async () => {
      return (await writer.call('SET', other, 2)) === '+OK';
    });
    expect(await writer.call('INCR', changed)).toBe(2);
    // One of three is gone: the latest write is on the primary and one more.
    expect(await writer.call('WAIT', 2, 0)).toBe(1);
    expect(await writer.call('WAITAOF', 1, 2, 0)).toEqual([1, 1]);

    expect(await first.callAll([['MULTI'], ['INCR', same], ['GET', other], ['EXEC']])).toEqual([
      '+OK',
      '+QUEUED',
      '+QUEUED',
      [2, '2'],
    ]);
    expect(await second.callAll([['MULTI'], ['SET', changed, 'lost'], ['EXEC']])).toEqual([
      '+OK',
      '+QUEUED',
      null,
    ]);
    expect(await writer.call('GET', changed)).toBe('2');
    for (const client of [first, second, writer]) client.close();
  }, 60_000);
});

/** By position: who answers for the key on its cluster port. */
async function leaderOf(key: string): Promise<number> {
  for (const [position, { clusterPort }] of cluster.workers.entries()) {
    const client = await RedisConnection.open(clusterPort);
    const reply = String(await client.call('GET', key));
    client.close();
    if (!reply.startsWith('-MOVED')) return position;
  }
  throw new Error(`Nobody leads ${key}.`);
}
