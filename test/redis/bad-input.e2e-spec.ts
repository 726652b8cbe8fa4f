/**
 * What no client should send, to both ports of a real worker: it answers with Redis's error or closes the connection,
 * takes no more memory than its bounds allow, and serves others meanwhile.
 */
import { readFileSync } from 'node:fs';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { useSandbox } from '@diststore/testing';

import { type RedisWorker, startRedisCluster } from './redis-cluster.js';
import { RedisConnection, request } from './redis-connection.js';

const sandbox = useSandbox('all');
let worker: RedisWorker;

beforeAll(async () => {
  const cluster = await startRedisCluster(sandbox(), 1);
  worker = cluster.workers[0] as RedisWorker;
}, 120_000);

/** What the process may gain: buffers of the kernel and garbage that is not collected yet are in it. */
const GROWTH_BYTES_MAX = 96 * 1024 * 1024;
const LARGE = 'x'.repeat(100_000);

/** Resident memory, where the system tells it. */
function residentBytes(): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(
      readFileSync(`/proc/${worker.app.process.pid}/status`, 'utf8'),
    )?.[1];
    return Number(kib) * 1024;
  } catch {
    return 0;
  }
}

describe.each(['clusterPort', 'gatewayPort'] as const)('on the %s', (which) => {
  let witness: RedisConnection;
  let client: RedisConnection;
  let before = 0;
  let most = 0;

  beforeEach(async () => {
    witness = await RedisConnection.open(worker[which]);
    client = await RedisConnection.open(worker[which]);
    before = most = residentBytes();
  });

  afterEach(async () => {
    await serves();
    expect(most - before).toBeLessThan(GROWTH_BYTES_MAX);
    witness.close();
    client.close();
  });

  /** Another client is served; looks at the memory as well. */
  async function serves(): Promise<void> {
    expect(await witness.call('SET', 'witness', 1)).toBe('+OK');
    expect(await witness.call('GET', 'witness')).toBe('1');
    most = Math.max(most, residentBytes());
  }

  it('a bulk of 512 MB, announced and never sent, is refused', async () => {
    client.socket.write('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n');
    expect(await client.next()).toBe('-ERR Protocol error: invalid bulk length');
    await client.untilClosed();
  });

  it('bulks that are allowed, announced by many and never sent, cost nothing', async () => {
    const others = await Promise.all(Array.from({ length: 200 }, () => RedisConnection.open(worker[which])));
    for (const other of others) other.socket.write('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$16777216\r\n');
    for (let i = 0; i < 20; i++) await serves();
    expect(others.some(({ isClosed }) => isClosed)).toBe(false);
    for (const other of others) other.close();
  });

  it.each([
    ['arrays 10,000 deep', '*1\r\n'.repeat(10_000), "-ERR Protocol error: expected '$', got '*'"],
    ['a negative bulk length', '*1\r\n$-5\r\n', '-ERR Protocol error: invalid bulk length'],
    ['a bulk length of -1', '*1\r\n$-1\r\n', '-ERR Protocol error: invalid bulk length'],
    ['too many arguments', '*2147483648\r\n', '-ERR Protocol error: invalid multibulk length'],
    ['a length that is no number', '*x\r\n', '-ERR Protocol error: invalid multibulk length'],
    ['a line without an end', 'x'.repeat(70_000), '-ERR Protocol error: too big inline request'],
    ['a count without an end', `*${'1'.repeat(70_000)}`, '-ERR Protocol error: too big mbulk count string'],
  ])('%s end the connection with an error', async (_what, bytes, error) => {
    client.socket.write(bytes);
    expect(await client.next()).toBe(error);
    await client.untilClosed();
  });

  it('a negative number of arguments is no command, as in Redis', async () => {
    client.socket.write('*-1\r\n*-2147483648\r\n*0\r\n');
    expect(await client.call('PING')).toBe('+PONG');
  });

  it.each(['POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n', 'GET / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n'])(
    'HTTP (%j) ends the connection, and nothing behind it is run',
    async (bytes) => {
      await witness.call('DEL', 'a');
      client.socket.write(bytes);
      await client.untilClosed();
      expect(await witness.call('EXISTS', 'a')).toBe(0);
    },
  );

  it('a million commands in one pipeline are all answered', async () => {
    const batch = Buffer.concat(Array.from({ length: 10_000 }, (_, i) => request('GET', `key:${i % 7}`)));
    const replyBytes = '$-1\r\n'.length * 1_000_000;
    let sent = 0;
    const send = (): void => {
      while (sent < 100) {
        sent += 1;
        if (!client.socket.write(batch)) return void client.socket.once('drain', send);
      }
    };
    send();
    while (client.receivedBytes < replyBytes) await serves();
    expect(client.receivedBytes).toBe(replyBytes);
  });

  it('a client that never reads is stopped', async () => {
    expect(await witness.call('SET', 'large', LARGE)).toBe('+OK');
    client.socket.pause();
    const batch = Buffer.concat(Array.from({ length: 100 }, () => request('GET', 'large')));
    // 2 GB of replies.
    for (let i = 0; i < 200; i++) client.socket.write(batch);
    for (let i = 0; i < 50; i++) await serves();
    // What is not taken waits here, unsent or unread, and not in the worker.
    client.socket.resume();
    await client.until('replies come again', () => client.receivedBytes > 20_000_000);
  });
});
