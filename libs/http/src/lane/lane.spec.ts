/**
 * Goal: who serves a connection, in which order, and when it ends. That answers are those of the other paths is the
 * matter of direct-adapter.spec.ts and direct-call.spec.ts. Method: a small application, and raw sockets; each answer
 * says who has read its request.
 */
import 'reflect-metadata';

import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Param, Put, Req, Res } from '@nestjs/common';

import { StoreError } from '@diststore/base';

import { startProbe } from '../../test/probe-app.js';
import type { ProbeApp } from '../../test/probe-app.js';
import { eventually, RawConnection } from '../../test/raw-connection.js';
import { readBody } from '../body.js';
import type { BodyRequest } from '../body.js';
import type { DirectAdapter } from '../direct-adapter.js';
import { Direct } from '../direct-call.js';
import type { CallResponse } from '../direct-request.js';
import { Reply } from '../reply.js';
import type { ServerGuard } from '../server-guard.js';
import type { HttpLimits } from '../server-limits.js';

const HUGE_BYTES = 8 * 1024 * 1024;
/** Fewer than a socket takes before it asks for a pause. */
const SMALL_BYTES = 12 * 1024;

/** Lets the requests to /held go on, in their order. */
let held: (() => void)[] = [];
/** Responses to /huge and /small that are over. */
let over = 0;

@Controller()
class Probe {
  @Get('get/:key')
  @Direct()
  get(@Param('key') key: string, @Req() req: BodyRequest): Reply {
    return Reply.text(200, `${key} by ${readerOf(req)}`);
  }

  @Put('put/:key')
  @Direct()
  async put(@Req() req: BodyRequest): Promise<Reply> {
    const body = await readBody(req, { maxBytes: 100_000 });
    return Reply.text(200, `${body.length} by ${readerOf(req)}`);
  }

  @Get('held/:key')
  @Direct()
  async held(@Param('key') key: string, @Req() req: BodyRequest): Promise<Reply> {
    await new Promise<void>((resolve) => held.push(resolve));
    if (key === 'fails') throw new StoreError('retry-later', 'Not now.');
    return Reply.text(200, `${key} by ${readerOf(req)}`);
  }

  @Get('huge')
  @Direct()
  huge(@Res({ passthrough: true }) res: CallResponse): Reply {
    res.once('close', () => (over += 1));
    return new Reply(200, [], Buffer.alloc(HUGE_BYTES, 'v'));
  }

  @Get('small')
  @Direct()
  small(@Res({ passthrough: true }) res: CallResponse): Reply {
    res.once('close', () => (over += 1));
    return new Reply(200, [], Buffer.alloc(SMALL_BYTES, 'v'));
  }

  @Get('by-nest')
  byNest(): string {
    return 'nest';
  }
}

function readerOf(req: BodyRequest): string {
  return req instanceof IncomingMessage ? 'node' : 'lane';
}

const running: ProbeApp[] = [];
const open: RawConnection[] = [];
afterEach(async () => {
  for (const { socket } of open.splice(0)) socket.destroy();
  held.splice(0).forEach((release) => release());
  await Promise.all(running.splice(0).map(({ app }) => app.close()));
  held = [];
  over = 0;
});

async function start(limits: Partial<HttpLimits> = {}): Promise<ProbeApp> {
  const probe = await startProbe({ controllers: [Probe] }, true, limits);
  running.push(probe);
  return probe;
}

/** The server's side of the next connection. */
function nextSocketOf({ server }: ProbeApp): Promise<Socket> {
  return new Promise((resolve) => server.once('connection', resolve));
}

function guardOf({ app }: ProbeApp): ServerGuard {
  return (app.getHttpAdapter() as unknown as DirectAdapter).guard;
}

async function connectTo({ server }: ProbeApp): Promise<RawConnection> {
  const connection = await RawConnection.open(server);
  open.push(connection);
  return connection;
}

const get = (target: string, headers = ''): string => `GET ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const put = (body: string, announced = body.length): string =>
  `PUT /put/k HTTP/1.1\r\nHost: x\r\nContent-Length: ${announced}\r\n\r\n${body}`;

describe('Lane: who reads a connection', () => {
  it('the lane, as long as each request comes whole and by itself', async () => {
    const connection = await connectTo(await start());
    for (let i = 0; i < 3; i++) {
      expect((await connection.send(get('/get/a')).answer()).body).toBe('a by lane');
      expect((await connection.send(put('abc')).answer()).body).toBe('3 by lane');
    }
  });

  it.each([
    ['asks for what is not called directly', get('/by-nest'), 'nest'],
    ['asks for a route that is not there', get('/nowhere'), 'route-not-found'],
    ['has a key that is no UTF-8', get('/get/%FF'), 'bad-key-encoding'],
    ['announces its end', get('/get/a', 'Connection: keep-alive, x\r\n'), 'a by node'],
    ['comes with the next', get('/get/a') + get('/get/b'), 'a by node'],
  ])('Node from a request on that %s', async (_what, request, body) => {
    const connection = await connectTo(await start());
    expect((await connection.send(get('/get/first')).answer()).body).toBe('first by lane');
    expect((await connection.send(request).answer()).body).toContain(body);
    if (request.includes('/get/b')) expect((await connection.answer()).body).toBe('b by node');
    expect((await connection.send(get('/get/last')).answer()).body).toBe('last by node');
  });

  it('Node from a request on that comes in pieces, of which none is lost', async () => {
    const connection = await connectTo(await start());
    const request = put('abcdefgh');
    // Each piece leaves alone: the next is sent when the server has nothing more to read.
    for (const piece of [request.slice(0, 20), request.slice(20, -3), request.slice(-3)]) {
      connection.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await connection.answer()).body).toMatch(/^8 by/);
    expect((await connection.send(get('/get/a')).answer()).body).toMatch(/^a by/);
  });

  it('Node, that refuses what is no request', async () => {
    const connection = await connectTo(await start());
    expect((await connection.send(get('/get/a')).answer()).body).toBe('a by lane');
    expect((await connection.send('nonsense\r\n\r\n').answer()).status).toBe(400);
    await connection.closed();
  });
});

describe('Lane: one request at a time', () => {
  it('what comes during an answer waits for it', async () => {
    const connection = await connectTo(await start());
    connection.send(get('/held/first'));
    await eventually(() => held.length === 1, 'the first request');
    connection.send(get('/get/second'));
    connection.send(get('/get/third') + get('/get/fourth'));
    // Another connection is served meanwhile: the second request has arrived by then, and was not answered.
    const other = await connectTo(running[0] as ProbeApp);
    expect((await other.send(get('/get/other')).answer()).body).toBe('other by lane');
    expect(connection.text).toBe('');
    held.forEach((release) => release());
    expect((await connection.answer()).body).toBe('first by lane');
    for (const key of ['second', 'third', 'fourth'])
      expect((await connection.answer()).body).toMatch(new RegExp(`^${key} by`));
  });

  it('a client that does not read costs one answer, which counts until it has it', async () => {
    const probe = await start();
    const slow = await connectTo(probe);
    slow.socket.pause();
    slow.send(get('/huge'));
    const other = await connectTo(probe);
    expect((await other.send(get('/get/a')).answer()).body).toBe('a by lane');
    slow.send(get('/huge'));
    expect(over).toBe(0);
    slow.socket.resume();
    await slow.until(() => slow.socket.bytesRead > 2 * HUGE_BYTES, 'every byte');
    expect((await slow.answer()).body).toHaveLength(HUGE_BYTES);
    expect((await slow.answer()).body).toHaveLength(HUGE_BYTES);
    expect(over).toBe(2);
  });

  it('an answer ends with its client', async () => {
    const probe = await start();
    const leaves = await connectTo(probe);
    leaves.send(get('/huge'));
    await leaves.until(() => leaves.socket.bytesRead > 0, 'a first piece');
    leaves.socket.resetAndDestroy();
    await eventually(() => over === 1, 'the end of the answer');
    const waits = await connectTo(probe);
    waits.send(get('/held/a'));
    await eventually(() => held.length === 1, 'the request');
    waits.socket.resetAndDestroy();
    await eventually(() => guardOf(probe).connections === 0, 'all gone');
    held.forEach((release) => release());
    expect((await (await connectTo(probe)).send(get('/get/a')).answer()).body).toBe('a by lane');
  });

  it('a client that sends nothing more still gets its answer', async () => {
    const connection = await connectTo(await start());
    connection.send(get('/held/a'));
    connection.socket.end();
    await eventually(() => held.length === 1, 'the request');
    held.forEach((release) => release());
    expect((await connection.answer()).body).toBe('a by lane');
    await connection.closed();
  });
});

describe('Lane: what waits for an answer', () => {
  /** A request that is under way, and a second that waits for its answer. */
  async function withHeld(probe: ProbeApp, second: string): Promise<[RawConnection, Socket]> {
    const [socket, connection] = await Promise.all([nextSocketOf(probe), connectTo(probe)]);
    connection.send(get('/held/first'));
    await eventually(() => held.length === 1, 'the first request');
    const bytesRead = socket.bytesRead + second.length;
    connection.send(second);
    await eventually(() => socket.bytesRead === bytesRead, 'the second request');
    return [connection, socket];
  }

  it('is answered though the client then ends', async () => {
    const probe = await start();
    const [connection] = await withHeld(probe, get('/get/second'));
    connection.socket.end();
    // The end has arrived when what is sent after it is answered.
    expect((await (await connectTo(probe)).send(get('/get/a')).answer()).body).toBe('a by lane');
    held.forEach((release) => release());
    expect((await connection.answer()).body).toBe('first by lane');
    expect((await connection.answer()).body).toBe('second by lane');
    await connection.closed();
  });

  it('is answered though clients are sent away, and is then the last', async () => {
    const probe = await start();
    const [connection] = await withHeld(probe, get('/get/second'));
    guardOf(probe).sendAway();
    held.forEach((release) => release());
    expect((await connection.answer()).headers['connection']).toBe('keep-alive');
    expect(await connection.answer()).toMatchObject({
      body: 'second by lane',
      headers: { connection: 'close' },
    });
    await connection.closed();
  });

  it('is not looked at when the client has left', async () => {
    const probe = await start();
    const [, socket] = await withHeld(probe, get('/held/second'));
    // The answer is made before the connection has closed, and sent after it.
    setImmediate(() => {
      socket.destroy();
      held.splice(0).forEach((release) => release());
    });
    await eventually(() => guardOf(probe).connections === 0, 'the close');
    expect((await (await connectTo(probe)).send(get('/get/a')).answer()).body).toBe('a by lane');
    expect(held).toHaveLength(0);
  });
});

describe('Lane: what a client has not taken', () => {
  it('is under way, however small it is, and a server that stops waits for it', async () => {
    const probe = await start();
    const [socket, slow] = await Promise.all([nextSocketOf(probe), connectTo(probe)]);
    slow.socket.pause();
    let sent = 0;
    while (socket.writableLength === 0) {
      slow.send(get('/small'));
      sent += 1;
      await eventually(() => over === sent || socket.writableLength > 0, 'the next answer');
    }
    expect(over).toBe(sent - 1);
    running.pop();
    const closed = probe.app.close();
    slow.socket.resume();
    await closed;
    await slow.closed();
    for (let i = 0; i < sent; i++) expect((await slow.answer()).body).toHaveLength(SMALL_BYTES);
  });

  it('counts with its status when the client leaves in the middle', async () => {
    const statuses: (number | undefined)[] = [];
    const probe = await start();
    (probe.app.getHttpAdapter() as unknown as DirectAdapter).observe({
      route: () => ({ answered: (status) => statuses.push(status) }),
    });
    const connection = await connectTo(probe);
    connection.send(get('/huge'));
    await connection.until(() => connection.socket.bytesRead > 0, 'a first piece');
    connection.socket.resetAndDestroy();
    await eventually(() => statuses.length === 1, 'the end of the answer');
    expect(statuses).toEqual([200]);
  });
});

describe('Lane: limits', () => {
  it('headers over the limit of the server are a 431', async () => {
    const connection = await connectTo(await start({ maxHeaderBytes: 500 }));
    expect((await connection.send(get(`/get/${'a'.repeat(600)}`)).answer()).status).toBe(431);
  });

  it('a connection that sends nothing is a 408', async () => {
    const connection = await connectTo(await start({ headersTimeoutMs: 40 }));
    const { status, body } = await connection.answer();
    expect({ status, body }).toMatchObject({
      status: 408,
      body: expect.stringContaining('headersTimeoutMs'),
    });
    await connection.closed();
  });

  it('a kept connection that stays idle is closed without a word', async () => {
    const connection = await connectTo(await start({ keepAliveTimeoutMs: 1 }));
    await connection.send(get('/get/a')).answer();
    await connection.closed();
    expect(connection.text).toBe('');
  });

  it('a kept connection still serves when its client uses it as late as it was told to', async () => {
    const connection = await connectTo(await start({ keepAliveTimeoutMs: 1 }));
    await connection.send(get('/get/a')).answer();
    // Several sweeps, on connections that are new each time.
    for (let i = 0; i < 10; i++) await (await connectTo(running[0] as ProbeApp)).send(get('/get/b')).answer();
    expect((await connection.send(get('/get/c')).answer()).body).toBe('c by lane');
  });

  it('a connection on which nothing moves while an answer is awaited is closed', async () => {
    const connection = await connectTo(await start({ stallTimeoutMs: 30 }));
    await connection.send(get('/held/a')).closed();
    expect(connection.text).toBe('');
  });

  it('one that is idle for as long is not', async () => {
    const connection = await connectTo(await start({ stallTimeoutMs: 1 }));
    for (let i = 0; i < 20; i++)
      expect((await connection.send(get(`/get/${i}`)).answer()).body).toBe(`${i} by lane`);
  });
});

describe('Lane: the end of the server', () => {
  it('idle connections are closed at once, and answers under way are the last of theirs', async () => {
    const probe = await start();
    running.pop();
    const [fresh, idle, busy, failing] = await Promise.all([1, 2, 3, 4].map(() => connectTo(probe)));
    await idle?.send(get('/get/a')).answer();
    busy?.send(get('/held/a'));
    await eventually(() => held.length === 1, 'the first');
    failing?.send(get('/held/fails'));
    await eventually(() => held.length === 2, 'both');
    const closed = probe.app.close();
    await Promise.all([fresh?.closed(), idle?.closed()]);
    held.splice(0).forEach((release) => release());
    expect(await busy?.answer()).toMatchObject({ body: 'a by lane', headers: { connection: 'close' } });
    expect(await failing?.answer()).toMatchObject({ status: 503, headers: { connection: 'close' } });
    await Promise.all([busy?.closed(), failing?.closed(), closed]);
  });
});
