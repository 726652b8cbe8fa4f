/**
 * Goal: bodies arrive whole or not at all, within their bound, and a refused one neither loses the answer nor hangs
 * the connection. Method: one route that reads its body, on both request paths, and raw sockets.
 */
import 'reflect-metadata';

import type { Server } from 'node:http';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Put, Req } from '@nestjs/common';

import { isStoreError } from '@diststore/base';

import { startProbe } from '../test/probe-app.js';
import type { ProbeApp } from '../test/probe-app.js';
import { eventually, RawConnection } from '../test/raw-connection.js';
import { readBody } from './body.js';
import type { DirectRequest } from './direct-request.js';
import { Reply } from './reply.js';

const LIMIT = 200_000;
const failures: unknown[] = [];
let begun = 0;

@Controller()
class BodyProbe {
  @Put('put/:key')
  put(@Req() req: DirectRequest): Promise<Reply> {
    return this.echo(req, undefined);
  }

  @Put('impatient')
  impatient(@Req() req: DirectRequest): Promise<Reply> {
    return this.echo(req, 20);
  }

  @Put('deaf')
  deaf(): Reply {
    return Reply.text(200, 'not read');
  }

  private async echo(req: DirectRequest, timeoutMs: number | undefined): Promise<Reply> {
    begun++;
    try {
      const body = await readBody(req, {
        maxBytes: LIMIT,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      return new Reply(200, [], body);
    } catch (error) {
      failures.push(error);
      throw error;
    }
  }
}

const put = (path: string, headers: string, body = ''): string =>
  `PUT ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`;
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;
const codeOf = (body: string): unknown => (JSON.parse(body) as { code: unknown }).code;

describe.each([
  ['direct', true],
  ['express', false],
])('readBody on the %s path', (_path, direct) => {
  let probe: ProbeApp;
  let server: Server;

  beforeAll(async () => {
    probe = await startProbe({ controllers: [BodyProbe] }, direct);
    server = probe.server;
  });
  afterAll(() => probe.app.close());

  it('takes bodies in one packet, in many, chunked, empty, and of exactly the limit', async () => {
    const connection = await RawConnection.open(server);
    const echo = async (...packets: string[]): Promise<string> => {
      for (const packet of packets) {
        connection.send(packet);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return (await connection.answer()).body;
    };
    expect(await echo(put('/put/a', 'Content-Length: 5', 'hello'))).toBe('hello');
    expect(await echo(put('/put/a', 'Content-Length: 5'), 'he', 'll', 'o')).toBe('hello');
    expect(await echo(put('/put/a', 'Content-Length: 0'))).toBe('');
    expect(await echo(put('/put/a', 'X: no length'))).toBe('');
    expect(
      await echo(put('/put/a', 'Transfer-Encoding: chunked', chunk('he') + chunk('llo') + chunk(''))),
    ).toBe('hello');
    expect(await echo(put('/put/a', 'Transfer-Encoding: chunked', chunk('')))).toBe('');
    const full = 'f'.repeat(LIMIT);
    expect(await echo(put('/put/a', `Content-Length: ${LIMIT}`, full))).toBe(full);
    expect(await echo(put('/put/a', 'Transfer-Encoding: chunked', chunk(full) + chunk('')))).toBe(full);
    connection.socket.destroy();
  });

  it('refuses an announced length over the limit unread, with limit, setting and length', async () => {
    const connection = await RawConnection.open(server);
    connection.send(put('/put/a', `Content-Length: ${1024 * 1024}`));
    const { status, headers, body } = await connection.answer();
    expect(status).toBe(413);
    expect(headers['connection']).toBe('close');
    const facts = { limitBytes: LIMIT, setting: 'maxValueBytes', announcedBytes: 1024 * 1024 };
    expect(JSON.parse(body)).toMatchObject({ code: 'value-too-large', ...facts });
    // A client that writes everything before it reads meets no reset.
    connection.send(Buffer.alloc(1024 * 1024));
    await connection.closed();
    expect(connection.socket.errored).toBeNull();
  });

  it('refuses a chunked body where it passes the limit', async () => {
    const connection = await RawConnection.open(server);
    connection.send(put('/put/a', 'Transfer-Encoding: chunked'));
    for (let i = 0; i < 5; i++) connection.send(chunk('c'.repeat(50_000)));
    const { status, headers, body } = await connection.answer();
    expect([status, headers['connection'], codeOf(body)]).toEqual([413, 'close', 'value-too-large']);
    connection.socket.end();
    await connection.closed();
  });

  it('drops a small refused body and keeps the connection', async () => {
    const connection = await RawConnection.open(server);
    const length = 30_000;
    connection.send(put('/nowhere', `Content-Length: ${length}`));
    const refused = await connection.answer();
    expect([refused.status, refused.headers['connection']]).toEqual([404, 'keep-alive']);
    connection.send(`${'d'.repeat(length)}${put('/put/a', 'Content-Length: 4', 'next')}`);
    expect((await connection.answer()).body).toBe('next');
    connection.socket.destroy();
  });

  it('a handler that ignores the body does no harm to the next request', async () => {
    const connection = await RawConnection.open(server);
    for (const length of [10, 60_000]) {
      connection.send(put('/deaf', `Content-Length: ${length}`, 'i'.repeat(length)));
      expect((await connection.answer()).body).toBe('not read');
      expect((await connection.send(put('/put/a', 'Content-Length: 4', 'next')).answer()).body).toBe('next');
    }
    connection.socket.destroy();
  });

  it('sends 100 Continue when the body is wanted, and not otherwise', async () => {
    const wanted = await RawConnection.open(server);
    wanted.send(put('/put/a', 'Content-Length: 5\r\nExpect: 100-continue'));
    expect((await wanted.answer()).status).toBe(100);
    expect((await wanted.send('hello').answer()).body).toBe('hello');
    expect((await wanted.send(put('/put/a', 'Content-Length: 4', 'next')).answer()).body).toBe('next');
    wanted.socket.destroy();

    for (const [request, status] of [
      [put('/put/a', `Content-Length: ${LIMIT + 1}\r\nExpect: 100-continue`), 413],
      [put('/nowhere', 'Content-Length: 5\r\nExpect: 100-continue'), 404],
      [put('/put/%FF', 'Content-Length: 5\r\nExpect: 100-continue'), 400],
    ] as const) {
      const refused = await RawConnection.open(server);
      const answer = await refused.send(request).answer();
      expect([answer.status, answer.headers['connection']]).toEqual([status, 'close']);
      refused.socket.end();
      await refused.closed();
    }
    const unknown = await RawConnection.open(server);
    unknown.send(put('/put/a', 'Content-Length: 2\r\nExpect: miracles', 'ok'));
    expect((await unknown.answer()).body).toBe('ok');
    unknown.socket.destroy();
  });

  it('a client that leaves in the middle is an incomplete body, for the handler too', async () => {
    const before = { begun, failures: failures.length };
    const connection = await RawConnection.open(server);
    connection.send(put('/put/a', 'Content-Length: 100', 'only this'));
    await eventually(() => begun > before.begun, 'the handler');
    connection.socket.resetAndDestroy();
    await eventually(() => failures.length > before.failures, 'the failure');
    expect(isStoreError(failures.at(-1), 'incomplete-body')).toBe(true);
  });

  it('a client that only stops sending in the middle is told', async () => {
    const connection = await RawConnection.open(server);
    connection.send(put('/put/a', 'Content-Length: 100', 'only this')).socket.end();
    const { status, body } = await connection.answer();
    expect([status, codeOf(body)]).toEqual([400, 'incomplete-body']);
    await connection.closed();
  });

  it.each(['gzip', 'br', 'gzip, identity', 'deflate;q=1'])(
    'one in %s is a 415 that says what is taken',
    async (name) => {
      const connection = await RawConnection.open(server);
      connection.send(put('/put/a', `Content-Encoding: ${name}\r\nContent-Length: 3`, 'abc'));
      const { status, body, headers } = await connection.answer();
      expect([status, codeOf(body)]).toEqual([415, 'unsupported-content-encoding']);
      expect(headers['accept-encoding']).toBe('identity');
      connection.socket.destroy();
    },
  );

  it.each(['identity', 'Identity', ''])('one in "%s" is taken as it is', async (name) => {
    const connection = await RawConnection.open(server);
    connection.send(put('/put/a', `Content-Encoding: ${name}\r\nContent-Length: 3`, 'abc'));
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'abc' });
    connection.socket.destroy();
  });

  it('a body slower than its time is a 408', async () => {
    const connection = await RawConnection.open(server);
    connection.send(put('/impatient', 'Content-Length: 100', 'slow'));
    const { status, body } = await connection.answer();
    expect([status, codeOf(body)]).toEqual([408, 'request-timeout']);
    connection.socket.destroy();
  });
});
