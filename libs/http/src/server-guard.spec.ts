/**
 * Goal: what happens on a connection when no proper request comes of it, and how a server stops. Method: a bare HTTP
 * server with the guard, tiny limits, and raw sockets.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';

import { afterEach, describe, expect, it } from '@jest/globals';

import { eventually, RawConnection } from '../test/raw-connection.js';
import { Reply, writeReply } from './reply.js';
import { guardServer } from './server-guard.js';
import type { ServerGuard } from './server-guard.js';
import { connectionsThatFit, DEFAULT_HTTP_LIMITS, serverOptions } from './server-limits.js';
import type { HttpLimits } from './server-limits.js';

type Listener = (req: IncomingMessage, res: ServerResponse) => void;

const SHORT: Partial<HttpLimits> = { headersTimeoutMs: 40, requestTimeoutMs: 120 };
const REQUEST = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** A guarded server that answers with the path, unless told otherwise. */
async function serve(
  limits: Partial<HttpLimits> = {},
  listener?: Listener,
): Promise<{ server: Server; guard: ServerGuard }> {
  const all = { ...DEFAULT_HTTP_LIMITS, ...limits };
  const server = createServer(serverOptions(all));
  const guard = guardServer(server, all);
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    guard.enter(res);
    (listener ?? answer)(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => guard.drain(0));
  return { server, guard };
}

function answer(_req: IncomingMessage, res: ServerResponse): void {
  writeReply(res, Reply.text(200, res.req.url ?? ''));
}

function codeOf(body: string): unknown {
  return (JSON.parse(body) as { code: unknown }).code;
}

describe('ServerGuard: what is no request', () => {
  it('headers over the limit are 431, naming limit and setting', async () => {
    const { server } = await serve({ maxHeaderBytes: 2_000 });
    const connection = await RawConnection.open(server);
    const { status, headers, body } = await connection
      .send(`GET /${'k'.repeat(2_100)} HTTP/1.1\r\nHost: x\r\n\r\n`)
      .answer();
    expect(status).toBe(431);
    expect(headers).toMatchObject({ connection: 'close', 'content-type': 'application/problem+json' });
    expect(JSON.parse(body)).toMatchObject({
      code: 'headers-too-large',
      limitBytes: 2_000,
      setting: 'maxHeaderBytes',
    });
    await connection.closed();
  });

  it.each([
    ['garbage', 'nonsense\r\n\r\n'],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
    ['letters beyond ASCII in the URL', 'GET /get/é HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a space in the URL', 'GET /get/a b HTTP/1.1\r\nHost: x\r\n\r\n'],
    [
      'two different lengths',
      'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    [
      'length and chunks',
      'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a method that does not exist', 'BREW /a HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('%s is a 400 problem and the end of the connection', async (_what, bytes) => {
    const { server } = await serve();
    const connection = await RawConnection.open(server);
    const { status, body } = await connection.send(bytes).answer();
    expect(status).toBe(400);
    expect(codeOf(body)).toBe('bad-request');
    await connection.closed();
    const next = await RawConnection.open(server);
    expect((await next.send(REQUEST).answer()).body).toBe('/a');
    next.socket.destroy();
  });

  it('garbage behind good requests is answered after them, in order', async () => {
    const release: (() => void)[] = [];
    const { server } = await serve({}, (req, res) => void release.push(() => answer(req, res)));
    const connection = await RawConnection.open(server);
    connection.send(`${REQUEST}${REQUEST.replace('/a', '/b')}nonsense\r\n\r\n`);
    await eventually(() => release.length === 2, 'both requests');
    connection.send('more nonsense\r\n\r\n');
    release.reverse().forEach((go) => go());
    expect((await connection.answer()).body).toBe('/a');
    expect((await connection.answer()).body).toBe('/b');
    expect((await connection.answer()).status).toBe(400);
    await connection.closed();
    expect(connection.text).toBe('');
  });

  it.each([
    ['a connection that sends nothing', ''],
    ['headers that never end', 'GET /a HTTP/1.1\r\nHos'],
    ['a body that never ends', 'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc'],
  ])('%s is a 408 problem, and hurts nobody else', async (_what, bytes) => {
    const { server } = await serve(SHORT, (req, res) => {
      if (req.method === 'GET') answer(req, res);
    });
    const slow = await RawConnection.open(server);
    slow.send(bytes);
    const other = await RawConnection.open(server);
    expect((await other.send(REQUEST).answer()).body).toBe('/a');
    const { status, body } = await slow.answer();
    expect(status).toBe(408);
    expect(JSON.parse(body)).toMatchObject({
      code: 'request-timeout',
      headersTimeoutMs: 40,
      requestTimeoutMs: 120,
    });
    await slow.closed();
    expect((await other.send(REQUEST).answer()).body).toBe('/a');
    other.socket.destroy();
  });

  it('a kept connection that stays idle is closed without a word', async () => {
    const { server } = await serve({ keepAliveTimeoutMs: 1 });
    const connection = await RawConnection.open(server);
    await connection.send(REQUEST).answer();
    await connection.closed();
    expect(connection.text).toBe('');
  });

  it('a connection on which nothing moves while an answer is awaited is closed', async () => {
    const { server } = await serve({ stallTimeoutMs: 30 }, () => undefined);
    const connection = await RawConnection.open(server);
    await connection.send(REQUEST).closed();
    expect(connection.text).toBe('');
  });

  it('connections above the limit are closed and counted, and there is room again after', async () => {
    const { server, guard } = await serve({ maxConnections: 2 });
    const first = await RawConnection.open(server);
    const second = await RawConnection.open(server);
    expect((await first.send(REQUEST).answer()).body).toBe('/a');
    const third = await RawConnection.open(server);
    await third.closed();
    expect(guard.droppedConnections).toBe(1);
    expect(guard.connections).toBe(2);
    second.socket.destroy();
    await eventually(() => guard.connections === 1, 'room');
    const fourth = await RawConnection.open(server);
    expect((await fourth.send(REQUEST).answer()).body).toBe('/a');
    for (const { socket } of [first, fourth]) socket.destroy();
  });

  it('a client that resets in the middle hurts nobody', async () => {
    const { server, guard } = await serve();
    for (let i = 0; i < 20; i++) {
      const connection = await RawConnection.open(server);
      connection.send('PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc').socket.resetAndDestroy();
    }
    await eventually(() => guard.connections === 0, 'all gone');
    const after = await RawConnection.open(server);
    expect((await after.send(REQUEST).answer()).body).toBe('/a');
    after.socket.destroy();
  });

  it('every pipelined request ends with its connection, also those whose turn has not come', async () => {
    const waiting: ServerResponse[] = [];
    const closed: ServerResponse[] = [];
    const { server, guard } = await serve({}, (_req, res) => {
      waiting.push(res);
      res.once('close', () => closed.push(res));
    });
    const connection = await RawConnection.open(server);
    connection.send(REQUEST.repeat(3));
    await eventually(() => waiting.length === 3, 'the requests');
    connection.socket.resetAndDestroy();
    await eventually(() => guard.connections === 0, 'the close');
    await eventually(() => closed.length === 3, 'the end of all three');
    expect(waiting.every((res) => res.destroyed)).toBe(true);
  });

  it('more pipelined requests than allowed wait, and all are answered', async () => {
    const held: (() => void)[] = [];
    let holding = true;
    const { server } = await serve({ maxPipelined: 4 }, (req, res) => {
      if (holding) held.push(() => answer(req, res));
      else answer(req, res);
    });
    const connection = await RawConnection.open(server);
    const padding = `X-Padding: ${'p'.repeat(8_000)}\r\n`;
    const count = 1_000;
    for (let i = 0; i < count; i++) connection.send(`GET /${i} HTTP/1.1\r\nHost: x\r\n${padding}\r\n`);
    await eventually(() => held.length > 4, 'the bound');
    const other = await RawConnection.open(server);
    other.send(REQUEST);
    await eventually(() => held.length > 5 || connection.socket.writableLength > 0, 'back-pressure');
    // The bound, the other connection's, and what two reads of 64 KiB can hold.
    expect(held.length).toBeLessThanOrEqual(4 + 1 + 16);
    holding = false;
    held.forEach((release) => release());
    for (let i = 0; i < count; i++) expect((await connection.answer()).body).toBe(`/${i}`);
    for (const { socket } of [connection, other]) socket.destroy();
  });
});

describe('ServerGuard: upgrades', () => {
  const UPGRADE = 'GET /peer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ';

  it('the protocol that is registered gets the connection, with what followed the request', async () => {
    const { server, guard } = await serve();
    const taken = new Promise<string>((resolve) => {
      guard.onUpgrade('diststore-peer', (_req, socket, head) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
        socket.on('close', () => resolve(head.toString()));
        socket.on('data', () => socket.end());
      });
    });
    const connection = await RawConnection.open(server);
    expect((await connection.send(`${UPGRADE}Diststore-Peer\r\n\r\nhello`).answer()).status).toBe(101);
    expect(guard.connections).toBe(0);
    connection.send('bye');
    expect(await taken).toBe('hello');
  });

  it('another protocol is served as if not asked for, once; with a body it is refused', async () => {
    const { server, guard } = await serve();
    guard.onUpgrade('diststore-peer', (_req, socket) => socket.destroy());
    const connection = await RawConnection.open(server);
    const { status, headers, body } = await connection.send(`${REQUEST}${UPGRADE}h2c\r\n\r\n`).answer();
    expect([status, body]).toEqual([200, '/a']);
    expect(headers['connection']).toBe('keep-alive');
    expect(await connection.answer()).toMatchObject({
      status: 200,
      body: '/peer',
      headers: { connection: 'close' },
    });
    await connection.closed();
    await eventually(() => guard.connections === 0, 'the close');

    const withBody = await RawConnection.open(server);
    withBody.send(`${UPGRADE}h2c\r\nContent-Length: 1\r\n\r\nx`.replace('GET', 'PUT'));
    expect((await withBody.answer()).status).toBe(400);
    await withBody.closed();
  });

  it('with nothing registered every upgrade request is an ordinary one', async () => {
    const { server } = await serve();
    const connection = await RawConnection.open(server);
    expect((await connection.send(`${UPGRADE}h2c\r\n\r\n`).answer()).body).toBe('/peer');
    connection.socket.destroy();
  });
});

describe('ServerGuard: draining', () => {
  it('closes idle connections at once, lets requests finish, and says that the connection closes', async () => {
    let release: (() => void) | undefined = undefined as (() => void) | undefined;
    const { server, guard } = await serve({}, (req, res) => {
      if (req.url === '/late') release = () => answer(req, res);
      else answer(req, res);
    });
    const idle = await RawConnection.open(server);
    await idle.send(REQUEST).answer();
    const silent = await RawConnection.open(server);
    const busy = await RawConnection.open(server);
    busy.send('GET /late HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => release !== undefined && guard.connections === 3, 'the request');

    const drained = guard.drain(5_000);
    await Promise.all([idle.closed(), silent.closed()]);
    expect(guard.draining).toBe(true);
    const refused = await RawConnection.open(server).catch(() => undefined);
    await refused?.closed();
    release?.();
    expect(await busy.answer()).toMatchObject({ body: '/late', headers: { connection: 'close' } });
    expect(await drained).toBe(0);
    expect(server.listening).toBe(false);
  });

  it('sends clients away with their next answer, and still takes those that come', async () => {
    const { server, guard } = await serve({}, (req, res) => answer(req, res));
    const kept = await RawConnection.open(server);
    expect((await kept.send(REQUEST).answer()).headers).not.toHaveProperty('connection', 'close');
    guard.sendAway();
    expect(guard.draining).toBe(false);
    for (const connection of [kept, await RawConnection.open(server)]) {
      expect((await connection.send(REQUEST).answer()).headers).toHaveProperty('connection', 'close');
      await connection.closed();
    }
  });

  it('pipelined requests that have arrived are all answered', async () => {
    const release: (() => void)[] = [];
    const { server, guard } = await serve({}, (req, res) => void release.push(() => answer(req, res)));
    const connection = await RawConnection.open(server);
    connection.send(['/1', '/2', '/3'].map((path) => REQUEST.replace('/a', path)).join(''));
    await eventually(() => release.length === 3, 'three requests');
    const drained = guard.drain(5_000);
    release.forEach((go) => go());
    for (const path of ['/1', '/2', '/3']) expect((await connection.answer()).body).toBe(path);
    expect(await drained).toBe(0);
  });

  it('cuts what is left at the deadline, and reports how many', async () => {
    let requests = 0;
    const { server, guard } = await serve({}, () => requests++);
    const stuck = await Promise.all([RawConnection.open(server), RawConnection.open(server)]);
    stuck.forEach((connection) => connection.send(REQUEST));
    await eventually(() => requests === 2, 'both requests');
    expect(await guard.drain(30)).toBe(2);
    await Promise.all(stuck.map((connection) => connection.closed()));
    expect(await guard.drain(10_000)).toBe(2);
  });

  it('does not cut off a slow reader whose answer is only queued', async () => {
    const bytes = 24 * 1024 * 1024;
    let started = false;
    const { server, guard } = await serve({}, (_req, res) => {
      writeReply(res, new Reply(200, [], Buffer.alloc(bytes, 'v')));
      started = true;
    });
    const reader = await RawConnection.open(server);
    reader.socket.pause();
    reader.send(REQUEST);
    await reader.until(() => started, 'the request');
    const drained = guard.drain(5_000);
    reader.socket.resume();
    await reader.until(() => reader.socket.bytesRead > bytes, 'every byte');
    expect((await reader.answer()).body).toHaveLength(bytes);
    expect(await drained).toBe(0);
  });
});

describe('connectionsThatFit', () => {
  it('leaves descriptors for everything else', () => {
    expect(connectionsThatFit(12_000, 1_048_576)).toBe(12_000);
    expect(connectionsThatFit(12_000, 10_000)).toBe(8_500);
    expect(connectionsThatFit(12_000, 1_024)).toBe(64);
    expect(connectionsThatFit(12_000, undefined)).toBeLessThanOrEqual(12_000);
  });
});
