/** Through real sockets, over a keyspace in memory: order, overlap, bad input, bounds, the end of a connection. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import type { ErrorCode } from '@diststore/base';
import { eventually } from '@diststore/testing';

import { RedisConnection, request } from '../../../../test/redis/redis-connection.js';
import { testMap } from '../../../../test/redis/test-map.js';
import { startTestServer, type TestServer } from '../../../../test/redis/test-server.js';

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

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.redis.close(1000);
  expect(server.fatal).toEqual([]);
});

/** What a test lets go. */
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open: () => open(), passed };
}

describe('order', () => {
  it('a connection reads what it wrote, within one pipeline', async () => {
    const client = await start();
    const commands = [['SET', 'a', '1'], ['GET', 'a'], ['INCR', 'a'], ['INCR', 'a'], ['GET', 'a'], ['PING']];
    expect(await client.callAll(commands)).toEqual(['+OK', '1', 2, 3, '3', '+PONG']);
  });

  it('a read does not see the write that comes after it', async () => {
    const client = await start({ map: testMap({ workers: 2 }), remoteWorkers: true });
    for (const key of ['a', 'b', 'c', 'd']) {
      const commands = [
        ['SET', key, '1'],
        ['GET', key],
        ['SET', key, '2'],
        ['GET', key],
        ['DEL', key],
        ['GET', key],
      ];
      expect(await client.callAll(commands)).toEqual(['+OK', '1', '+OK', '2', 1, null]);
    }
  });

  it('the writes of a pipeline become durable together', async () => {
    const client = await start();
    const commands = Array.from({ length: 200 }, (_, i) => ['SET', `key${i}`, i]);
    expect(await client.callAll(commands)).toEqual(commands.map(() => '+OK'));
    expect(server.keyspace.rounds).toBeLessThanOrEqual(5);
  });

  it('replies keep their order when later commands are answered first', async () => {
    const client = await start();
    const held = gate();
    server.keyspace.gate = held.passed;
    client.socket.write(
      Buffer.concat([
        request('SET', 'a', 1),
        request('PING'),
        request('GET', 'none'),
        request('PING', 'last'),
      ]),
    );
    const other = await connect();
    // Whatever comes later must not come earlier: by the time the other is answered, the first has been started.
    expect(await other.call('PING')).toBe('+PONG');
    expect(client.receivedBytes).toBe(0);
    held.open();
    expect([await client.next(), await client.next(), await client.next(), await client.next()]).toEqual([
      '+OK',
      '+PONG',
      null,
      'last',
    ]);
  });

  it('a command about all keys waits for those before it, and those after wait for it', async () => {
    const client = await start();
    const commands = [
      ['SET', 'a', '1'],
      ['DBSIZE'],
      ['FLUSHALL'],
      ['DBSIZE'],
      ['SET', 'a', '2'],
      ['KEYS', '*'],
    ];
    expect(await client.callAll(commands)).toEqual(['+OK', 1, '+OK', 0, '+OK', ['a']]);
  });

  it('the answers to one chunk are sent in one write', async () => {
    const client = await start();
    let chunks = 0;
    client.socket.on('data', () => (chunks += 1));
    await client.callAll(Array.from({ length: 100 }, () => ['PING']));
    expect(chunks).toBe(1);
  });
});

describe('however the bytes are cut', () => {
  const transcript: [Buffer, string][] = [
    [request('HELLO', '3'), ''],
    [request('SET', 'k', 'v w'), '+OK\r\n'],
    [Buffer.from('GET k\r\n'), '$3\r\nv w\r\n'],
    [request('MULTI'), '+OK\r\n'],
    [request('INCR', 'n'), '+QUEUED\r\n'],
    [request('EXEC'), '*1\r\n:1\r\n'],
    [request('GET', 'none'), '_\r\n'],
    [request('NOSUCH'), "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"],
  ];
  const bytes = Buffer.concat(transcript.map(([sent]) => sent));
  const answers = transcript.map(([, answer]) => answer).join('');

  async function received(pieces: Iterable<Buffer>): Promise<string> {
    const client = await connect();
    let text = '';
    client.socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    for (const piece of pieces) {
      client.socket.write(piece);
      // So that each piece is read by itself.
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.end();
    await client.untilClosed();
    await server.keyspace.clear();
    return text.slice(text.indexOf('*0\r\n') + 4);
  }

  it('byte by byte, and in two at every offset, the answers are the same', async () => {
    await start();
    expect(await received([bytes])).toBe(answers);
    await server.keyspace.clear();
    expect(await received([...bytes].map((byte) => Buffer.from([byte])))).toBe(answers);
    for (let at = 1; at < bytes.length; at++) {
      await server.keyspace.clear();
      expect(await received([bytes.subarray(0, at), bytes.subarray(at)])).toBe(answers);
    }
  });
});

describe('bad input', () => {
  async function answerTo(bytes: Buffer | string): Promise<string> {
    const client = await connect();
    let text = '';
    client.socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    client.socket.write(bytes);
    await client.untilClosed();
    return text;
  }

  it.each([
    ['a length below zero', '*2\r\n$3\r\nGET\r\n$-1\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
    [
      'a 512 MB string announced',
      '*2\r\n$3\r\nGET\r\n$536870912\r\n',
      '-ERR Protocol error: invalid bulk length\r\n',
    ],
    ['an array of arrays', '*1\r\n'.repeat(10_000), "-ERR Protocol error: expected '$', got '*'\r\n"],
    ['too many arguments announced', '*2147483647\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
    ['unbalanced quotes', 'GET "a\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
    ['a line without end', 'x'.repeat(70_000), '-ERR Protocol error: too big inline request\r\n'],
    ['HTTP', 'POST / HTTP/1.1\r\nHost: localhost\r\n\r\n', ''],
    [
      'HTTP after something else',
      'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
      "-ERR wrong number of arguments for 'get' command\r\n",
    ],
  ])('%s is answered with the error of Redis and closed', async (_name, bytes, answer) => {
    const witness = await start();
    expect(await answerTo(bytes)).toBe(answer);
    expect(await witness.call('PING')).toBe('+PONG');
    expect(server.redis.connectionCount).toBe(1);
  });

  it('is answered after the good commands before it', async () => {
    await start();
    expect(await answerTo(Buffer.concat([request('SET', 'a', 1), Buffer.from('*x\r\n')]))).toBe(
      '+OK\r\n-ERR Protocol error: invalid multibulk length\r\n',
    );
  });

  it('arrays that are empty, nested or null in number are skipped', async () => {
    const client = await start();
    client.socket.write('*0\r\n*-1\r\n\r\n  \r\n');
    expect(await client.call('PING')).toBe('+PONG');
  });

  it('a large string that is announced and never sent costs nothing', async () => {
    const witness = await start();
    for (let i = 0; i < 50; i++) {
      const client = await connect();
      client.socket.write('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$16777216\r\nhalf');
    }
    await eventually('all are connected', () => server.redis.connectionCount === 51);
    await eventually('all have sent', () => server.redis.statistics.inputBytes >= 50 * 35);
    await witness.call('PING');
    const pending = server.redis.connections().map((session) => session.pendingInputBytes);
    expect(Math.max(...pending)).toBeLessThan(1024);
  });

  it('a key or value that is too large is an error, and the connection goes on', async () => {
    const client = await start({ maxValueBytes: 1000 });
    const tooLarge = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)';
    expect(await client.call('SET', 'a', 'x'.repeat(1001))).toBe(tooLarge);
    expect(await client.call('MSET', 'a', 1, 'b', 'x'.repeat(1001))).toBe(tooLarge);
    expect(await client.call('APPEND', 'a', 'x'.repeat(1001))).toBe(tooLarge);
    expect(await client.call('SETRANGE', 'a', 1000, 'x')).toBe(tooLarge);
    expect(await client.call('SETBIT', 'a', 8000, 1)).toBe(tooLarge);
    expect(await client.call('BITFIELD', 'a', 'SET', 'u8', 7999, 1)).toBe(tooLarge);
    expect(await client.call('SET', 'a', 'x'.repeat(1000))).toBe('+OK');
    expect(await client.call('APPEND', 'a', 'x')).toBe(tooLarge);
    expect(await client.call('SET', 'x'.repeat(1025), 1)).toMatch(/^-ERR .*1024/);
    expect(await client.call('SET', '', 1)).toBe('-ERR The key is empty.');
    expect(await client.call('EXISTS', 'a')).toBe(1);
  });
});

describe('bounds', () => {
  it('200,000 commands in one pipeline are answered, while others are served', async () => {
    const client = await start();
    client.countOnly();
    const witness = await connect();
    const batch = Buffer.from(`ECHO ${'x'.repeat(34)}\r\n`.repeat(2000));
    let sent = 0;
    const send = (): void => {
      while (sent < 100) {
        sent += 1;
        if (!client.socket.write(batch)) return void client.socket.once('drain', send);
      }
    };
    send();
    let most = 0;
    while (client.receivedBytes < 8_200_000) {
      expect(await witness.call('PING')).toBe('+PONG');
      most = Math.max(most, ...server.redis.connections().map(({ outputBytes }) => outputBytes));
    }
    expect(client.receivedBytes).toBe(8_200_000);
    expect(most).toBeLessThan(4 * 1024 * 1024);
  });

  it('a client that never reads is stopped, and its memory bounded; others are served', async () => {
    const witness = await start();
    const value = 'x'.repeat(100_000);
    await witness.call('SET', 'large', value);
    const stuck = await connect();
    stuck.countOnly();
    stuck.socket.pause();
    const commands = Buffer.concat(Array.from({ length: 5000 }, () => request('GET', 'large')));
    stuck.socket.write(commands);
    const session = () => server.redis.connections().find(({ id }) => id === 2);
    await eventually('its replies wait', () => (session()?.outputBytes ?? 0) > 500_000);
    for (let i = 0; i < 50; i++) expect(await witness.call('STRLEN', 'large')).toBe(100_000);
    expect(session()?.outputBytes).toBeLessThan(3 * 1024 * 1024);
    stuck.socket.resume();
    await stuck.until('all is answered', () => stuck.receivedBytes >= 5000 * (100_000 + 11));
  });

  it('one whose replies exceed the limit is closed', async () => {
    const witness = await start({ outputBytesMax: 1024 * 1024 });
    await witness.call('SET', 'large', 'x'.repeat(4_000_000));
    const stuck = await connect();
    stuck.socket.pause();
    stuck.socket.write(
      Buffer.concat([request('GET', 'large'), request('GET', 'large'), request('GET', 'large')]),
    );
    await eventually('it is gone', () => server.redis.connectionCount === 1);
    expect(server.warnings.join()).toContain('unread');
  });

  it('clients past the maximum are refused with an error', async () => {
    const first = await start({ maxClients: 1 });
    expect(await first.call('PING')).toBe('+PONG');
    const second = await connect();
    expect(await second.next()).toBe('-ERR max number of clients reached');
    await second.untilClosed();
    expect(await first.call('PING')).toBe('+PONG');
  });

  it('a silent client is closed after the idle timeout, a busy one is not', async () => {
    const silent = await start({ idleTimeoutMs: 300 });
    const busy = await connect();
    while (!silent.isClosed) expect(await busy.call('PING')).toBe('+PONG');
    expect(await busy.call('PING')).toBe('+PONG');
  });

  it('a MULTI that is too long is refused', async () => {
    const client = await start();
    await client.call('MULTI');
    for (let i = 0; i < 1024; i++) await client.call('SET', 'a', 1);
    expect(await client.call('SET', 'a', 1)).toMatch(/^-ERR too many commands/);
    expect(await client.call('EXEC')).toMatch(/^-EXECABORT/);
  });
});

describe('errors of the store', () => {
  it.each<[ErrorCode, string]>([
    ['retry-later', 'TRYAGAIN'],
    ['too-many-requests', 'TRYAGAIN'],
    ['outcome-unknown', 'UNKNOWN'],
    ['store-failed', 'UNKNOWN'],
    ['disk-full', 'OOM'],
    ['store-closed', 'CLUSTERDOWN'],
    ['cross-slot', 'CROSSSLOT'],
    ['internal', 'ERR'],
  ])('%s begins with %s', async (code, prefix) => {
    const client = await start();
    server.keyspace.failure = new StoreError(code, 'The detail.');
    for (const command of [
      ['GET', 'a'],
      ['SET', 'a', 1],
      ['MGET', 'a', 'b'],
      ['DEL', 'a', 'b'],
      ['WATCH', 'a'],
    ])
      expect(await client.call(...command)).toMatch(new RegExp(`^-${prefix} `));
    await client.call('MULTI');
    await client.call('SET', 'a', 1);
    expect(await client.call('EXEC')).toMatch(new RegExp(`^-${prefix} `));
    server.keyspace.failure = undefined;
    expect(await client.call('GET', 'a')).toBeNull();
  });

  it('before the map is known, commands on keys answer LOADING, others work', async () => {
    const client = await start({ cluster: { self: 1 as never, map: undefined } });
    expect(await client.call('GET', 'a')).toMatch(/^-LOADING/);
    expect(await client.call('MSET', 'a', 1, 'b', 2)).toMatch(/^-LOADING/);
    expect(await client.call('PING')).toBe('+PONG');
    expect(await client.call('INFO')).toContain('redis_version');
  });
});

describe('the end', () => {
  it('QUIT is answered, and what follows it is not run', async () => {
    const client = await start();
    client.socket.write(Buffer.concat([request('SET', 'a', 1), request('QUIT'), request('SET', 'a', 2)]));
    expect([await client.next(), await client.next()]).toEqual(['+OK', '+OK']);
    await client.untilClosed();
    const other = await connect();
    expect(await other.call('GET', 'a')).toBe('1');
  });

  it('a client that has sent its last is answered in full', async () => {
    const client = await start();
    client.socket.end(Buffer.concat([request('SET', 'a', 1), request('GET', 'a'), Buffer.from('*1\r\n$4')]));
    expect([await client.next(), await client.next()]).toEqual(['+OK', '1']);
    await client.untilClosed();
  });

  it('a server that closes finishes what was received', async () => {
    const client = await start();
    const held = gate();
    server.keyspace.gate = held.passed;
    const witness = await connect();
    client.send('SET', 'a', 1);
    client.send('GET', 'b');
    await witness.call('PING');
    const closed = server.redis.close(10_000);
    held.open();
    expect([await client.next(), await client.next()]).toEqual(['+OK', null]);
    await closed;
    await client.untilClosed();
  });

  it('what a client leaves behind goes with it', async () => {
    const witness = await start();
    const client = await connect();
    await client.callAll([['WATCH', 'a'], ['MULTI'], ['SET', 'a', 1]]);
    client.close();
    while (server.redis.connectionCount > 1) await witness.call('PING');
    expect(await witness.call('EXISTS', 'a')).toBe(0);
  });
});

describe('CLIENT', () => {
  it('REPLY OFF, SKIP and ON', async () => {
    const client = await start();
    client.send('CLIENT', 'REPLY', 'OFF');
    client.send('SET', 'a', 1);
    client.send('GET', 'a');
    client.send('NOSUCH');
    client.send('CLIENT', 'REPLY', 'ON');
    expect(await client.next()).toBe('+OK');
    client.send('CLIENT', 'REPLY', 'SKIP');
    client.send('SET', 'a', 2);
    expect(await client.call('GET', 'a')).toBe('2');
  });

  it('KILL ends another connection, and answers who kills itself', async () => {
    const client = await start();
    const other = await connect();
    const id = await other.call('CLIENT', 'ID');
    expect(await client.call('CLIENT', 'KILL', 'ID', Number(id))).toBe(1);
    await other.untilClosed();
    expect(await client.call('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(0);
    expect(await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no')).toBe(1);
    await client.untilClosed();
  });

  it('PAUSE WRITE holds writes back, and what follows them, until UNPAUSE', async () => {
    const client = await start();
    const other = await connect();
    expect(await other.call('CLIENT', 'PAUSE', 100_000, 'WRITE')).toBe('+OK');
    client.send('GET', 'a');
    client.send('SET', 'a', 1);
    client.send('GET', 'a');
    expect(await client.next()).toBeNull();
    expect(await other.call('GET', 'a')).toBeNull();
    expect(await other.call('INFO', 'clients')).toMatch(/^blocked_clients:1\r$/m);
    expect(await other.call('CLIENT', 'UNPAUSE')).toBe('+OK');
    expect([await client.next(), await client.next()]).toEqual(['+OK', '1']);
    expect(await other.call('INFO', 'clients')).toMatch(/^blocked_clients:0\r$/m);
  });

  it('PAUSE ends by itself', async () => {
    const client = await start();
    await client.call('CLIENT', 'PAUSE', 50);
    expect(await client.call('SET', 'a', 1)).toBe('+OK');
  });

  it('LIST and INFO name the connection as it is', async () => {
    const client = await start();
    await client.callAll([
      ['HELLO', '3', 'SETNAME', 'me'],
      ['CLIENT', 'SETINFO', 'LIB-NAME', 'lib'],
      ['MULTI'],
    ]);
    await client.call('DISCARD');
    const info = String(await client.call('CLIENT', 'INFO'));
    expect(info).toMatch(
      /^id=1 addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ .*name=me .*resp=3 lib-name=lib lib-ver=\n$/,
    );
    expect(await client.call('CLIENT', 'LIST')).toMatch(/cmd=client\|list/);
  });
});

describe('CONFIG RESETSTAT', () => {
  it('begins to count again', async () => {
    const client = await start();
    await client.callAll([['GET', 'a'], ['FOO']]);
    const before = String(await client.call('INFO', 'stats', 'commandstats'));
    expect(before).toMatch(/^keyspace_misses:1\r$/m);
    expect(before).toMatch(/^total_error_replies:1\r$/m);
    expect(before).toMatch(/^cmdstat_get:calls=1,/m);
    expect(await client.call('CONFIG', 'RESETSTAT')).toBe('+OK');
    const after = String(await client.call('INFO', 'stats', 'commandstats'));
    expect(after).toMatch(/^keyspace_misses:0\r$/m);
    expect(after).toMatch(/^total_error_replies:0\r$/m);
    expect(after).not.toContain('cmdstat_get:');
  });
});

describe('SLOWLOG', () => {
  it('keeps the newest commands that took long', async () => {
    const client = await start();
    await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', 0, 'slowlog-max-len', 2);
    await client.callAll([['SET', 'a', 'x'.repeat(200)], ['GET', 'a'], ['PING']]);
    const entries = (await client.call('SLOWLOG', 'GET')) as unknown[][];
    expect(entries.map((entry) => entry[3])).toEqual([['PING'], ['GET', 'a']]);
    expect(await client.call('SLOWLOG', 'LEN')).toBe(2);
    await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', -1);
    expect(await client.call('SLOWLOG', 'RESET')).toBe('+OK');
    expect(await client.call('SLOWLOG', 'GET')).toEqual([]);
  });
});
