/**
 * The commands, against the transcript that redis-server answers the same way (test/redis/conformance.txt), and what
 * that cannot hold: clusters, partitions on other workers, transactions across slots, scans, WATCH.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { ClusterMap, slotOf } from '@diststore/cluster';

import { conformanceGroups, normalised, wordsOf } from '../../../../test/redis/conformance.js';
import { RedisConnection } from '../../../../test/redis/redis-connection.js';
import { testMap } from '../../../../test/redis/test-map.js';
import { startTestServer, type TestServer } from '../../../../test/redis/test-server.js';
import { CursorTable } from './cursor-table.js';
import { SCAN_CURSOR_MS, SCAN_CURSORS_MAX } from './redis-limits.js';
import { nodeIdOf } from './slot-map.js';

let server: TestServer;
const clients: RedisConnection[] = [];

async function start(options: Parameters<typeof startTestServer>[0] = {}): Promise<RedisConnection> {
  server = await startTestServer(options);
  return connect();
}

async function connect(): Promise<RedisConnection> {
  const client = await RedisConnection.open(server.redis.port);
  clients.push(client);
  return client;
}

async function stop(): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  await server.redis.close(1000);
  expect(server.fatal).toEqual([]);
}

afterEach(stop);

describe.each(['gateway', 'cluster'] as const)('as redis-server answers, on the %s port', (mode) => {
  it.each(conformanceGroups().map((group) => [group.name, group] as const))('%s', async (_name, group) => {
    for (const version of [2, 3]) {
      const client = await start({ mode });
      if (version === 3) await client.call('HELLO', 3);
      for (const { line, expected } of group.steps)
        expect([line, normalised(await client.call(...wordsOf(line)))]).toEqual([line, expected]);
      if (version === 2) await stop();
    }
  });
});

/** Three keys, each of another worker of three. */
const map = testMap({ workers: 3, partitions: 16 });
function keyOf(worker: number, number = 0): string {
  let found = -1;
  for (let i = 0; ; i++) {
    const key = `key${i}`;
    if (map.primaryOf(map.partitionOf(Buffer.from(key)))?.worker === worker) found += 1;
    if (found === number) return key;
  }
}

describe('on the cluster port', () => {
  it('a key of another worker is answered with where it is', async () => {
    const client = await start({ mode: 'cluster', map });
    const [own, other] = [keyOf(1), keyOf(2)];
    const slot = slotOf(Buffer.from(other));
    const moved = `-MOVED ${slot} 127.0.0.1:7002`;
    expect(await client.call('SET', own, 1)).toBe('+OK');
    for (const command of [
      ['GET', other],
      ['SET', other, 1],
      ['DEL', other],
      ['MGET', other],
      ['WATCH', other],
      ['OBJECT', 'ENCODING', other],
    ])
      expect(await client.call(...command)).toBe(moved);
    await client.call('MULTI');
    expect(await client.call('GET', other)).toBe(moved);
    expect(await client.call('EXEC')).toMatch(/^-EXECABORT/);
  });

  it('READONLY has a replica that is here answer reads, and READWRITE ends it', async () => {
    const hasReplica = (partition: number): boolean => partition !== map.partitionOf(Buffer.from(keyOf(3)));
    const client = await start({ mode: 'cluster', map, hasReplica });
    const [own, other, absent] = [keyOf(1), keyOf(2), keyOf(3)];
    const slot = slotOf(Buffer.from(other));
    const moved = `-MOVED ${slot} 127.0.0.1:7002`;
    const { keyspace } = server;
    const put = (key: string, value: string) =>
      keyspace.perform({
        type: 'put',
        key: Buffer.from(key),
        value: Buffer.from(value),
        contentType: undefined,
        expiry: { type: 'never' },
        conditions: [],
        returnOld: false,
      });
    await put(own, 'old');
    await put(other, 'old');
    keyspace.fallBehind();
    await put(own, 'new');
    await put(other, 'new');

    expect(await client.call('READONLY')).toBe('+OK');
    expect(await client.call('CLIENT', 'INFO')).toContain(' flags=r ');
    // What it is the primary of it reads as such.
    expect(await client.call('GET', own)).toBe('new');
    expect(await client.call('GET', other)).toBe('old');
    expect(await client.call('MGET', other, other)).toEqual(['old', 'old']);
    expect(await client.call('EXISTS', other)).toBe(1);
    expect(await client.call('GET', absent)).toMatch(/^-MOVED \d+ 127\.0\.0\.1:7003$/);
    expect(await client.call('MGET', own, other)).toMatch(/^-CROSSSLOT/);
    for (const command of [
      ['SET', other, 1],
      ['DEL', other],
    ])
      expect(await client.call(...command)).toBe(moved);

    expect(await client.call('READWRITE')).toBe('+OK');
    expect(await client.call('GET', other)).toBe(moved);
  });

  it('keys of several slots are refused, whoever has them', async () => {
    const client = await start({ mode: 'cluster', map });
    const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";
    const [a, b] = [keyOf(1), keyOf(1, 1)];
    for (const command of [
      ['MGET', a, b],
      ['MSET', a, 1, b, 2],
      ['DEL', a, b],
      ['RENAME', a, b],
      ['COPY', a, b],
      ['MSETNX', a, 1, b, 2],
      ['WATCH', a, b],
      ['LCS', a, b],
    ])
      expect(await client.call(...command)).toBe(crossSlot);
    expect(await client.callAll([['MULTI'], ['SET', a, 1], ['SET', b, 1], ['EXEC']])).toEqual([
      '+OK',
      '+QUEUED',
      '+QUEUED',
      crossSlot,
    ]);
    expect(await client.callAll([['WATCH', a], ['MULTI'], ['SET', b, 1], ['EXEC']])).toEqual([
      '+OK',
      '+OK',
      '+QUEUED',
      crossSlot,
    ]);
    expect(await client.call('EXISTS', a)).toBe(0);
  });

  it('describes the same nodes and slots in every form', async () => {
    const client = await start({ mode: 'cluster', map, announced: { host: 'here.example', port: 9999 } });
    const ids = [1, 2, 3].map((index) => nodeIdOf(map.settings.clusterId, index));
    const slots = (await client.call('CLUSTER', 'SLOTS')) as [
      number,
      number,
      [string, number, string, unknown],
    ][];
    expect(slots.reduce((sum, [first, last]) => sum + last - first + 1, 0)).toBe(16_384);
    expect(slots[0]?.[2]).toEqual(['here.example', 9999, ids[0], []]);
    expect(slots[1]?.[2]).toEqual(['127.0.0.1', 7002, ids[1], []]);
    const nodes = String(await client.call('CLUSTER', 'NODES'))
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    expect(nodes.map(([id]) => id)).toEqual(ids);
    expect(nodes[0]?.slice(1, 3)).toEqual(['here.example:9999@5001', 'myself,master']);
    expect(nodes[1]?.slice(1, 4)).toEqual(['127.0.0.1:7002@5002', 'master', '-']);
    const ofSlots = slots
      .filter(([, , [, , id]]) => id === ids[1])
      .map(([first, last]) => `${first}-${last}`);
    expect(nodes[1]?.slice(8)).toEqual(ofSlots);
    const shards = (await client.call('CLUSTER', 'SHARDS')) as [string, number[], string, unknown[][]][];
    expect(shards.map(([, ranges]) => ranges.length)).toEqual(nodes.map((node) => (node.length - 8) * 2));
    expect(await client.call('CLUSTER', 'MYID')).toBe(ids[0]);
    expect(await client.call('CLUSTER', 'REPLICAS', String(ids[1]))).toEqual([]);
    expect(await client.call('CLUSTER', 'REPLICAS', 'nobody')).toBe('-ERR Unknown node nobody');
    expect(await client.call('CLUSTER', 'INFO')).toMatch(
      /^cluster_state:ok\r\ncluster_slots_assigned:16384\r\n/,
    );
    expect(await client.call('CLUSTER', 'KEYSLOT', 'foo')).toBe(12_182);
    expect(ids.every((id) => /^[0-9a-f]{40}$/.test(id))).toBe(true);
  });

  it('counts and lists the keys of a slot', async () => {
    const client = await start({ mode: 'cluster', map });
    const key = keyOf(1);
    const slot = slotOf(Buffer.from(key));
    for (let i = 0; i < 5; i++) await client.call('SET', `{${key}}${i}`, i);
    await client.call('SET', keyOf(1, 1), 1);
    expect(await client.call('CLUSTER', 'COUNTKEYSINSLOT', slot)).toBe(5);
    expect(await client.call('CLUSTER', 'GETKEYSINSLOT', slot, 2)).toEqual([`{${key}}0`, `{${key}}1`]);
    expect(await client.call('CLUSTER', 'GETKEYSINSLOT', slot, 0)).toEqual([]);
    expect(await client.call('CLUSTER', 'COUNTKEYSINSLOT', slotOf(Buffer.from(keyOf(2))))).toBe(0);
    expect(await client.call('CLUSTER', 'COUNTKEYSINSLOT', 16_384)).toBe('-ERR Invalid slot');
    expect(await client.call('DBSIZE')).toBe(6);
  });

  it('a slot without a primary is not served', async () => {
    const client = await start({ mode: 'cluster', map: ClusterMap.empty(map.settings) });
    expect(await client.call('GET', 'a')).toBe('-CLUSTERDOWN Hash slot not served');
    expect(await client.call('CLUSTER', 'INFO')).toMatch(/^cluster_state:fail/);
  });

  it('slots of a worker without a cluster port are served by forwarding', async () => {
    const silent = testMap({ workers: 2, clusterPortOf: (index) => (index === 2 ? null : 7001) });
    const client = await start({ mode: 'cluster', map: silent, remoteWorkers: true });
    for (let i = 0; i < 20; i++) expect(await client.call('SET', `key${i}`, i)).toBe('+OK');
    const slots = (await client.call('CLUSTER', 'SLOTS')) as [number, number][];
    expect(slots.reduce((sum, [first, last]) => sum + last - first + 1, 0)).toBe(16_384);
    expect(
      String(await client.call('CLUSTER', 'NODES'))
        .trim()
        .split('\n'),
    ).toHaveLength(1);
  });
});

describe('on the gateway port', () => {
  const keys = [keyOf(1), keyOf(2), keyOf(3), keyOf(2, 1)];

  it('commands on many keys go to every partition and come back in order', async () => {
    const client = await start({ map, remoteWorkers: true });
    expect(await client.call('MSET', ...keys.flatMap((key, i) => [key, i]))).toBe('+OK');
    expect(await client.call('MGET', ...keys, 'none', keys[0] as string)).toEqual([
      '0',
      '1',
      '2',
      '3',
      null,
      '0',
    ]);
    expect(await client.call('EXISTS', ...keys, 'none', keys[0] as string)).toBe(5);
    expect(await client.call('TOUCH', ...keys)).toBe(4);
    expect(await client.call('DBSIZE')).toBe(4);
    expect(((await client.call('KEYS', '*')) as string[]).sort()).toEqual([...keys].sort());
    expect(keys).toContain(await client.call('RANDOMKEY'));
    expect(await client.call('DEL', keys[0] as string, keys[0] as string, keys[1] as string)).toBe(2);
    expect(await client.call('UNLINK', ...keys)).toBe(2);
  });

  it('what is atomic wants one slot, also when one worker or partition has all keys', async () => {
    const client = await start({ map, remoteWorkers: true });
    const [a, b] = [keyOf(1), keyOf(1, 1)];
    for (const command of [
      ['RENAME', a, b],
      ['RENAMENX', a, b],
      ['COPY', a, b],
      ['MSETNX', a, 1, b, 2],
      ['BITOP', 'OR', a, b],
    ])
      expect(await client.call(...command)).toMatch(/^-CROSSSLOT/);
    expect(await client.callAll([['MULTI'], ['SET', a, 1], ['SET', b, 1], ['EXEC']])).toContainEqual(
      expect.stringMatching(/^-CROSSSLOT/),
    );
    await client.call('MSET', `{${b}}1`, 'x', `{${b}}2`, 'y');
    expect(await client.call('RENAME', `{${b}}1`, `{${b}}2`)).toBe('+OK');
    expect(
      await client.callAll([['MULTI'], ['GET', `{${b}}2`], ['APPEND', `{${b}}2`, 'z'], ['EXEC']]),
    ).toEqual(['+OK', '+QUEUED', '+QUEUED', ['x', 2]]);
  });

  it('is no cluster', async () => {
    const client = await start({ map });
    const disabled = '-ERR This instance has cluster support disabled';
    for (const command of [['CLUSTER', 'INFO'], ['CLUSTER', 'SLOTS'], ['READONLY'], ['ASKING']])
      expect(await client.call(...command)).toBe(disabled);
    expect(await client.call('INFO', 'cluster')).toBe('# Cluster\r\ncluster_enabled:0\r\n');
  });

  it('under placement local, transactions take any keys', async () => {
    const client = await start({ map: testMap({ placement: 'local' }) });
    const commands = [
      ['MULTI'],
      ['SET', 'a', 1],
      ['SET', 'b', 2],
      ['EXEC'],
      ['RENAME', 'a', 'c'],
      ['MSETNX', 'd', 1, 'e', 1],
    ];
    expect(await client.callAll(commands)).toEqual(['+OK', '+QUEUED', '+QUEUED', ['+OK', '+OK'], '+OK', 1]);
  });
});

describe('SCAN', () => {
  async function scanned(client: RedisConnection, ...options: (string | number)[]): Promise<string[]> {
    const found: string[] = [];
    let cursor = '0';
    do {
      const [next, keys] = (await client.call('SCAN', cursor, ...options)) as [string, string[]];
      expect(Number(next)).toBeLessThan(2 ** 53);
      found.push(...keys);
      cursor = next;
    } while (cursor !== '0');
    return found.sort();
  }

  it('finds every key once, with any COUNT, over all partitions', async () => {
    const client = await start({ map, remoteWorkers: true });
    const all = Array.from({ length: 120 }, (_, i) => `key${i}`).sort();
    await client.call('MSET', ...all.flatMap((key) => [key, 1]));
    for (const count of [1, 7, 10, 1000]) expect(await scanned(client, 'COUNT', count)).toEqual(all);
    expect(await scanned(client, 'MATCH', 'key1*')).toEqual(all.filter((key) => key.startsWith('key1')));
    expect(await scanned(client, 'MATCH', '*1', 'COUNT', 3)).toEqual(all.filter((key) => key.endsWith('1')));
    expect(await scanned(client, 'TYPE', 'hash')).toEqual([]);
    expect(await scanned(client, 'MATCH', 'nothing*')).toEqual([]);
  });

  it('keys that stay are found although others come and go', async () => {
    const client = await start({ map });
    const stay = Array.from({ length: 60 }, (_, i) => `stay${i}`).sort();
    await client.call('MSET', ...stay.flatMap((key) => [key, 1]));
    let cursor = '0';
    const found: string[] = [];
    for (let i = 0; i === 0 || cursor !== '0'; i++) {
      const [next, keys] = (await client.call('SCAN', cursor, 'COUNT', 3)) as [string, string[]];
      found.push(...keys.filter((key) => key.startsWith('stay')));
      cursor = next;
      await client.call('SET', `come${i}`, 1);
      if (i > 0) await client.call('DEL', `come${i - 1}`);
    }
    expect([...new Set(found)].sort()).toEqual(stay);
  });

  it('a cursor may be used again, and one that is not known is an error', async () => {
    const client = await start();
    await client.call('MSET', ...Array.from({ length: 40 }, (_, i) => [`key${i}`, i]).flat());
    const [cursor] = (await client.call('SCAN', 0)) as [string, string[]];
    const [, first] = (await client.call('SCAN', cursor)) as [string, string[]];
    const [, again] = (await client.call('SCAN', cursor)) as [string, string[]];
    expect(again).toEqual(first);
    expect(await client.call('SCAN', 12345)).toMatch(/^-ERR invalid cursor: .* with 0\.$/);
  });
});

describe('cursors', () => {
  it('are forgotten when they are old, or too many', () => {
    let nowMs = 0;
    const table = new CursorTable({ wallNowMs: () => nowMs, monotonicNowMs: () => nowMs });
    const position = { partition: 1 as never, from: Buffer.from('a') };
    const first = table.give(position, 0);
    expect(table.find(first)).toMatchObject(position);
    nowMs += SCAN_CURSOR_MS + 1;
    expect(table.find(first)).toBeUndefined();
    const second = table.give(position, 0);
    for (let i = 1; i < SCAN_CURSORS_MAX; i++) table.give(position, 0);
    expect(table.find(second)).toBeDefined();
    table.give(position, 0);
    expect(table.find(second)).toBeUndefined();
  });

  it('a scan keeps two, however long it is', () => {
    const table = new CursorTable({ wallNowMs: () => 0, monotonicNowMs: () => 0 });
    const other = table.give({ partition: 1 as never, from: Buffer.from('b') }, 0);
    let cursor = 0;
    for (let i = 0; i < 2 * SCAN_CURSORS_MAX; i++) {
      if (cursor !== 0) table.find(cursor);
      cursor = table.give({ partition: 1 as never, from: Buffer.from('a') }, cursor);
    }
    expect(table.find(other)).toBeDefined();
  });
});

describe('WATCH', () => {
  it.each([
    ['set', ['SET', '{t}k', '2'], false],
    ['deleted', ['DEL', '{t}k'], false],
    ['renamed', ['RENAME', '{t}k', '{t}l'], false],
    ['given an expiry', ['EXPIRE', '{t}k', '100'], false],
    ['read', ['GET', '{t}k'], true],
    ['not the one', ['SET', '{t}other', '2'], true],
  ])('a key that another connection has %s', async (_what, command, happens) => {
    const client = await start({ map, remoteWorkers: true });
    const other = await connect();
    await client.callAll([
      ['SET', '{t}k', '1'],
      ['WATCH', '{t}k', '{t}absent'],
      ['MULTI'],
      ['SET', '{t}k', 'mine'],
    ]);
    await other.call(...command);
    expect(await client.call('EXEC')).toEqual(happens ? ['+OK'] : null);
    expect((await other.call('GET', '{t}k')) === 'mine').toBe(happens);
  });

  it('a key that was absent and is not any more', async () => {
    const client = await start();
    const other = await connect();
    await client.callAll([['WATCH', 'k'], ['MULTI'], ['SET', 'k', 'mine']]);
    await other.call('SET', 'k', 'theirs');
    expect(await client.call('EXEC')).toBeNull();
    expect(await client.callAll([['MULTI'], ['SET', 'k', 'mine'], ['EXEC']])).toEqual([
      '+OK',
      '+QUEUED',
      ['+OK'],
    ]);
  });

  it('a transaction is one operation', async () => {
    const client = await start();
    const before = server.keyspace.performed;
    await client.callAll([
      ['MULTI'],
      ['SET', '{t}a', 1],
      ['INCR', '{t}b'],
      ['MGET', '{t}a', '{t}b'],
      ['DBSIZE'],
      ['TIME'],
      ['EXEC'],
    ]);
    expect(server.keyspace.performed).toBe(before + 1);
  });

  it('commands without keys are run at EXEC, and keep their place', async () => {
    const client = await start();
    await client.callAll([
      ['MULTI'],
      ['SET', 'a', 1],
      ['DBSIZE'],
      ['KEYS', '*'],
      ['ECHO', 'x'],
      ['GET', 'a'],
    ]);
    expect(await client.call('EXEC')).toEqual(['+OK', 1, ['a'], 'x', '1']);
    await client.call('MULTI');
    expect(await client.call('FLUSHALL')).toMatch(/^-ERR FLUSHALL/);
    expect(await client.call('EXEC')).toMatch(/^-EXECABORT/);
  });
});

describe('WAIT', () => {
  it('tells at once how many replicas have the latest write', async () => {
    const client = await start();
    expect(await client.call('WAIT', 0, 0)).toBe(0);
    await client.call('SET', 'a', 1);
    expect(await client.call('WAIT', 9, 100_000)).toBe(2);
    expect(await client.call('WAITAOF', 1, 2, 0)).toEqual([1, 2]);
  });
});

describe('expiry', () => {
  it('from now is counted by the clock of the partition', async () => {
    const client = await start();
    server.keyspace.nowMs = () => Date.now() - 3_600_000;
    expect(await client.call('SET', 'a', 1, 'PX', 1000)).toBe('+OK');
    expect(await client.call('SET', 'b', 1)).toBe('+OK');
    expect(await client.call('EXPIRE', 'b', 10)).toBe(1);
    expect(await client.call('GETEX', 'b', 'EX', 10)).toBe('1');
    expect(await client.call('SETEX', 'c', 10, 1)).toBe('+OK');
    expect(await client.call('EXISTS', 'a', 'b', 'c')).toBe(3);
    expect(await client.call('PTTL', 'a')).toBe(0);
  });

  it('an expired key is gone', async () => {
    const client = await start();
    await client.call('SET', 'a', 1, 'PX', 50_000);
    server.keyspace.nowMs = () => Date.now() + 60_000;
    expect(
      await client.callAll([
        ['GET', 'a'],
        ['EXISTS', 'a'],
        ['TTL', 'a'],
        ['INCR', 'a'],
        ['TTL', 'a'],
      ]),
    ).toEqual([null, 0, -2, 1, -1]);
  });
});

describe('DUMP and RESTORE', () => {
  it('a value survives the way', async () => {
    const client = await start();
    for (const value of [
      '',
      '0',
      '-129',
      '70000',
      '2147483648',
      'text',
      '\u0000\u00ff',
      'x'.repeat(20_000),
    ]) {
      const bytes = Buffer.from(value, 'latin1');
      await client.call('SET', 'a', bytes);
      const dumped = Buffer.from(String(await client.call('DUMP', 'a')), 'latin1');
      expect(await client.call('RESTORE', 'b', 5000, dumped, 'REPLACE')).toBe('+OK');
      expect(await client.call('GET', 'b')).toBe(value);
      expect(await client.call('PTTL', 'b')).toBeLessThanOrEqual(5000);
    }
    expect(await client.call('RESTORE', 'b', 0, 'x')).toBe('-BUSYKEY Target key name already exists.');
  });
});
