/**
 * Goal: what the short cut answers is what Express answers. Method: one application twice, with and without the
 * short cut, and every request sent to both over a socket, byte for byte the same; status, headers but Date, and
 * body must agree, and are then checked against what was promised.
 */
import 'reflect-metadata';

import { Readable } from 'node:stream';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Controller,
  Delete,
  Get,
  Head,
  Header,
  HostParam,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Redirect,
  Req,
  Sse,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import type { CanActivate, MessageEvent } from '@nestjs/common';
import fc from 'fast-check';
import { of } from 'rxjs';
import type { Observable } from 'rxjs';

import { invariant, StoreError } from '@diststore/base';
import { anyText } from '@diststore/testing';

import { startProbe } from '../test/probe-app.js';
import type { ProbeApp } from '../test/probe-app.js';
import { eventually, RawConnection } from '../test/raw-connection.js';
import type { Answer } from '../test/raw-connection.js';
import { readBody } from './body.js';
import { Direct } from './direct-call.js';
import type { DirectRequest } from './direct-request.js';
import { Reply } from './reply.js';

const HUGE_BYTES = 8 * 1024 * 1024;
/** Lets the requests to /held go on. */
const held: (() => void)[] = [];

class Refusal implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Controller()
class Probe {
  @Get('get/:key')
  @Direct()
  get(@Param('key') key: string): Reply {
    return new Reply(200, ['Content-Type', 'application/octet-stream', 'ETag', '"7"'], Buffer.from(key));
  }

  @Put('put/:key')
  @Direct()
  async put(@Param('key') key: string, @Req() req: DirectRequest): Promise<Reply> {
    const body = await readBody(req, { maxBytes: 100_000 });
    return Reply.json(201, { key, bytes: body.length });
  }

  @Put('put/:key/:value')
  putValue(@Param() params: Record<string, string>): unknown {
    return params;
  }

  @Get('v1/kv')
  list(@Query() query: Record<string, unknown>, @Query('prefix') prefix: unknown): unknown {
    return { query, prefix: prefix ?? null };
  }

  @Get('v1/kv/*key')
  wild(@Param('key') key: string, @Req() req: DirectRequest): unknown {
    return { key, url: req.url, originalUrl: req.originalUrl };
  }

  @Post('v1/kv/*key/incr')
  onlyExpress(@Param('key') key: string): unknown {
    return { key };
  }

  @Get('optional/{*rest}')
  optional(@Param('rest') rest: string): unknown {
    return { rest };
  }

  @Get('worker/:idx')
  worker(@Param('idx') idx: string): unknown {
    return { idx };
  }

  @Get('worker/health')
  health(): string {
    return 'static wins';
  }

  @Delete('clear')
  @HttpCode(202)
  @Header('X-Probe', 'set')
  clear(): unknown {
    return { removed: 0 };
  }

  @Get('own-head')
  ownGet(): string {
    return 'get';
  }

  @Head('own-head')
  ownHead(): Reply {
    return new Reply(200, ['X-Own', 'yes'], 'four');
  }

  @Get('answer/:kind')
  @Header('X-Probe', 'set')
  answer(@Param('kind') kind: string): unknown {
    switch (kind) {
      case 'text':
        return 'text <b>é</b>';
      case 'number':
        return 42;
      case 'bytes':
        return Buffer.from([0, 255, 10]);
      case 'null':
        return null;
      case 'array':
        return [1, { two: '3' }];
      case 'stream':
        return new StreamableFile(Readable.from([Buffer.from('abc'), Buffer.from('def')]), { length: 6 });
      case 'broken-stream':
        return new StreamableFile(
          new Readable({
            read() {
              this.destroy(new Error('secret path'));
            },
          }),
        );
      case 'half-stream':
        return new StreamableFile(
          Readable.from(
            (async function* () {
              yield Buffer.from('half');
              await new Promise((resolve) => setImmediate(resolve));
              throw new Error('secret path');
            })(),
          ),
        );
      case '204':
        return new Reply(204, ['ETag', '"1"'], 'ignored');
      case '304':
        return new Reply(304, ['ETag', '"1"'], 'ignored');
      case 'big':
        return new Reply(200, ['X-Probe', 'replaced'], Buffer.alloc(40_000, 'b'));
      case 'unicode':
        return Reply.text(200, 'größe €');
      default:
        return undefined;
    }
  }

  @Get('huge')
  huge(): Reply {
    return new Reply(200, [], Buffer.alloc(HUGE_BYTES, 'h'));
  }

  @Get('held')
  async held(@Query('fail') fail: string | undefined): Promise<string> {
    await new Promise<void>((release) => held.push(release));
    if (fail !== undefined) throw new StoreError('draining', 'As asked for.');
    return 'released';
  }

  @Get('moved')
  @Redirect('http://127.0.0.1:5001/get/a', 307)
  moved(): void {
    return undefined;
  }

  @Sse('events')
  events(): Observable<MessageEvent> {
    return of({ data: 'one' }, { data: 'two' });
  }

  @Get('refused')
  @UseGuards(Refusal)
  refused(): string {
    return 'never';
  }

  @Get('throws/:what')
  throws(@Param('what') what: string): unknown {
    if (what === 'store') throw new StoreError('retry-later', 'No primary.', { facts: { partition: 3 } });
    if (what === 'nest') throw new BadRequestException('as it is');
    if (what === 'invariant') invariant(false, 'one plus one is two', { secret: 1 });
    if (what === 'string') throw 'secret' as unknown as Error;
    if (what === 'header') return new Reply(200, ['X-Bad', 'line\nbreak'], 'x');
    if (what === 'cycle') {
      const cycle: Record<string, unknown> = {};
      return Object.assign(cycle, { cycle });
    }
    throw new TypeError('secret');
  }
}

@Controller({ path: 'hosted', host: ':tenant.example' })
class HostProbe {
  @Get()
  tenant(@HostParam('tenant') tenant: string): unknown {
    return { tenant };
  }
}

let direct: ProbeApp;
let express: ProbeApp;

beforeAll(async () => {
  direct = await startProbe({ controllers: [Probe, HostProbe] }, true);
  express = await startProbe({ controllers: [Probe, HostProbe] }, false);
});

afterAll(async () => {
  await Promise.all([direct.app.close(), express.app.close()]);
});

/** Sends the same bytes down both paths and expects the same answer. */
async function both(request: string, options: { head?: boolean } = {}): Promise<Answer> {
  const answers = await Promise.all(
    [direct, express].map(async ({ server }) => {
      const connection = await RawConnection.open(server);
      const answer = await connection.send(request).answer(options.head);
      connection.socket.destroy();
      return answer;
    }),
  );
  expect({ request, ...answers[0] }).toEqual({ request, ...answers[1] });
  return answers[0] as Answer;
}

const ask = (method: string, target: string, rest = '\r\n'): string =>
  `${method} ${target} HTTP/1.1\r\nHost: x\r\n${rest}`;
const get = (target: string): Promise<Answer> => both(ask('GET', target));

describe('DirectAdapter: keys in the path', () => {
  it.each([
    ['/get/abc', 'abc'],
    ['/get/a%2Fb', 'a/b'],
    ['/get/a%2fb', 'a/b'],
    ['/get/%2525', '%25'],
    ['/get/%25', '%'],
    ['/get/%252F', '%2F'],
    ['/get/%00', '\0'],
    ['/get/a%00b%2F%00', 'a\0b/\0'],
    ['/get/..', '..'],
    ['/get/.', '.'],
    ['/get/%2e%2e', '..'],
    ['/get/a;b=c', 'a;b=c'],
    ['/get/a+b', 'a+b'],
    ['/get/%3F', '?'],
    ['/get/%23', '#'],
    ['/get/a?b=%ZZ', 'a'],
    ['/get/a#fragment', 'a'],
    ['/get/a/', 'a'],
    ['/get/a/?x', 'a'],
    ['/get/%C3%A9', 'Ã©'],
    ["/get/'A'", "'A'"],
    ['/get/:key', ':key'],
    ['/get/*', '*'],
    ['/get/a\\b', 'a\\b'],
    ['/get/a"<>^`{|}', 'a"<>^`{|}'],
    ['/get/__proto__', '__proto__'],
    ['http://127.0.0.1:5001/get/absolute?x', 'absolute'],
  ])('%s names the key %j', async (target, key) => {
    const answer = await get(target);
    expect(answer.body).toBe(key);
    expect(answer).toMatchObject({
      status: 200,
      headers: { etag: '"7"', 'content-length': key.length.toString() },
    });
  });

  it.each([
    '/get/%',
    '/get/%ZZ',
    '/get/%FF',
    '/get/a%2',
    '/get/%C3%28',
    '/get/%ED%A0%80',
    '/v1/kv/a/%FF/b',
    '/put/a/%E0',
  ])('%s is refused as bad-key-encoding', async (target) => {
    const answer = await both(ask(target.startsWith('/put') ? 'PUT' : 'GET', target));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'bad-key-encoding',
      status: 400,
      retryable: false,
    });
  });

  it('a key of several kilobytes arrives whole', async () => {
    expect((await get(`/get/${'k'.repeat(8_000)}`)).body).toBe('k'.repeat(8_000));
    expect((await get(`/get/${'%2F'.repeat(1_024)}`)).body).toBe('/'.repeat(1_024));
  });

  it('any key that is percent-encoded UTF-8 arrives as it was', async () => {
    const connections = await Promise.all([
      RawConnection.open(direct.server),
      RawConnection.open(express.server),
    ]);
    const keys = anyText({ minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(keys, async (key) => {
        for (const connection of connections) {
          const answer = await connection.send(ask('GET', `/get/${encodeURIComponent(key)}`)).answer();
          expect(Buffer.from(answer.body, 'latin1').toString()).toBe(key);
        }
      }),
      { numRuns: 60 },
    );
    connections.forEach(({ socket }) => socket.destroy());
  });

  it('under a wildcard slashes belong to the key, the last one too', async () => {
    const keyOf = async (target: string): Promise<unknown> =>
      (JSON.parse((await get(target)).body) as { key: string }).key;
    expect(await keyOf('/v1/kv/a')).toBe('a');
    expect(await keyOf('/v1/kv/a/')).toBe('a/');
    expect(await keyOf('/v1/kv/a//b%2Fc/')).toBe('a//b/c/');
    expect(await keyOf('/v1/kv//')).toBe('/');
    expect(await keyOf('/v1/kv/../x')).toBe('../x');
    expect((await both(ask('POST', '/v1/kv/a/b/incr'))).body).toBe('{"key":"a/b"}');
    expect((await get('/optional/')).body).toBe('{"rest":""}');
    expect((await get('/optional/x/')).body).toBe('{"rest":"x/"}');
  });

  it('the URL is left as the client sent it', async () => {
    expect(JSON.parse((await get('/v1/kv/a%2Fb?c=%41')).body)).toEqual({
      key: 'a/b',
      url: '/v1/kv/a%2Fb?c=%41',
      originalUrl: '/v1/kv/a%2Fb?c=%41',
    });
  });
});

describe('DirectAdapter: routes', () => {
  it.each([
    '/get/',
    '/get',
    '/get//',
    '/get//a',
    '/get/a/b',
    '/GET/a',
    '/Get/a',
    '//get/a',
    '/g%65t/a',
    '/nowhere',
    '/',
    '/put//v',
    '*',
  ])('%s is no route', async (target) => {
    const answer = await both(ask(target.startsWith('/put') ? 'PUT' : 'GET', target));
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'route-not-found', status: 404 });
  });

  it('the static route wins over the parameter, whichever was declared first', async () => {
    expect((await get('/worker/health')).body).toBe('static wins');
    expect((await get('/worker/1')).body).toBe('{"idx":"1"}');
  });

  it('a trailing slash chooses the shorter route, not an empty parameter', async () => {
    expect((await both(ask('PUT', '/put/k/', 'Content-Length: 1\r\n\r\nv'))).body).toBe(
      '{"key":"k","bytes":1}',
    );
    expect((await both(ask('PUT', '/put/k/v/'))).body).toBe('{"key":"k","value":"v"}');
    expect((await get('/v1/kv/?prefix=a')).body).toBe('{"query":{"prefix":"a"},"prefix":"a"}');
  });

  it('the query is parsed for handlers', async () => {
    expect(JSON.parse((await get('/v1/kv?prefix=a%20b&x=1&x=2&empty')).body)).toMatchObject({
      query: { x: ['1', '2'], empty: '' },
      prefix: 'a b',
    });
    expect((await get('/v1/kv')).body).toBe('{"query":{},"prefix":null}');
  });

  it('a query with a bad encoding is a 400 that names the parameter', async () => {
    const { status, body } = await get('/v1/kv?limit=1&prefix=%ZZ');
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({ code: 'bad-parameter', parameter: 'prefix' });
  });

  it('HEAD is GET without the body, unless it has its own route', async () => {
    const answer = await both(ask('HEAD', '/get/abc'), { head: true });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-length': '3', etag: '"7"' } });
    const own = await both(ask('HEAD', '/own-head'), { head: true });
    expect(own).toMatchObject({ headers: { 'x-own': 'yes', 'content-length': '4' } });
    expect((await both(ask('HEAD', '/answer/array'), { head: true })).headers['content-length']).toBe('15');
    expect((await both(ask('HEAD', '/nowhere'), { head: true })).status).toBe(404);
    expect((await get('/own-head')).body).toBe('get');
  });

  it('a wrong method is a 405 that names the right ones, and OPTIONS lists them', async () => {
    const answer = await both(ask('DELETE', '/get/a'));
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'method-not-allowed', allow: ['GET', 'HEAD'] });
    expect(await both(ask('GET', '/put/a'))).toMatchObject({ status: 405, headers: { allow: 'PUT' } });
    expect(await both(ask('PROPFIND', '/get/a'))).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD' },
    });
    expect(await both(ask('OPTIONS', '/clear/'))).toMatchObject({
      status: 204,
      headers: { allow: 'DELETE' },
    });
    expect((await both(ask('OPTIONS', '/nowhere'))).status).toBe(404);
  });

  it('a route for another host is passed on', async () => {
    expect((await both('GET /hosted HTTP/1.1\r\nHost: a.example:5001\r\n\r\n')).body).toBe('{"tenant":"a"}');
    expect((await get('/hosted')).status).toBe(404);
  });

  it('a request without Host is refused with a problem', async () => {
    const answer = await both('GET /get/a HTTP/1.1\r\n\r\n');
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'bad-request' });
    expect((await both('GET /get/a HTTP/1.0\r\n\r\n')).body).toBe('a');
  });
});

describe('DirectAdapter: any target', () => {
  const RUNS = 300;

  it('is answered alike on both paths', async () => {
    const starts = ['/get/', '/put/', '/v1/kv/', '/optional/', '/worker/', '/hosted/', '/clear/', '/'];
    const plain = ['a', 'A', '/', '//', 'health', '..', '.', ';', '?', '#', '&', '=', ':key', '*', '\\', "'"];
    const encoded = ['%2F', '%25', '%00', '%C3%A9', '%FF', '%', '%C3'];
    const pieces = fc.array(fc.constantFrom(...plain, ...encoded), { maxLength: 5 });
    const targets = fc
      .tuple(fc.constantFrom(...starts), pieces)
      .map(([start, rest]) => `${start}${rest.join('')}`.replace(/^\/+/, '/'));
    const methods = fc.constantFrom('GET', 'GET', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PROPFIND');
    const connections = await Promise.all([
      RawConnection.open(direct.server),
      RawConnection.open(express.server),
    ]);
    const seen = new Set<number>();
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(methods, targets, async (method, target) => {
        const [one, other] = await Promise.all(
          connections.map((connection) => connection.send(ask(method, target)).answer()),
        );
        runs += 1;
        seen.add(one?.status ?? 0);
        expect(one).toEqual(other);
      }),
      { numRuns: RUNS },
    );
    // Fewer runs may miss some.
    if (runs >= RUNS) expect([...seen]).toEqual(expect.arrayContaining([200, 400, 404, 405]));
    connections.forEach(({ socket }) => socket.destroy());
  });
});

describe('DirectAdapter: answers', () => {
  it.each([
    ['text', 'text/plain; charset=utf-8', 'text <b>Ã©</b>'],
    ['number', 'application/json; charset=utf-8', '42'],
    ['bytes', 'application/octet-stream', '\0ÿ\n'],
    ['null', undefined, ''],
    ['nothing', undefined, ''],
    ['array', 'application/json; charset=utf-8', '[1,{"two":"3"}]'],
    ['stream', 'application/octet-stream', 'abcdef'],
    ['unicode', 'text/plain; charset=utf-8', 'grÃ¶Ã\x9fe â\x82¬'],
  ])('%s', async (kind, type, body) => {
    const answer = await get(`/answer/${kind}`);
    expect(answer).toMatchObject({ status: 200, body });
    expect(answer.headers).toMatchObject({ 'x-probe': 'set', 'content-length': body.length.toString() });
    expect(answer.headers['content-type']).toBe(type);
    expect(answer.headers).not.toHaveProperty('x-powered-by');
  });

  it('204 and 304 have neither body nor length, and the connection goes on', async () => {
    for (const status of [204, 304]) {
      const connection = await RawConnection.open(direct.server);
      const answer = await connection.send(ask('GET', `/answer/${status}`)).answer();
      expect(answer).toMatchObject({ status, headers: { etag: '"1"' } });
      expect(answer.headers).not.toHaveProperty('content-length');
      expect((await connection.send(ask('GET', '/get/next')).answer()).body).toBe('next');
      connection.socket.destroy();
      await get(`/answer/${status}`);
    }
  });

  it('a reply replaces headers set before, and a large one is whole', async () => {
    const answer = await get('/answer/big');
    expect(answer.headers).toMatchObject({ 'x-probe': 'replaced', 'content-length': '40000' });
    expect(answer.body).toBe('b'.repeat(40_000));
  });

  it('status, header and redirect decorators hold', async () => {
    expect(await both(ask('DELETE', '/clear'))).toMatchObject({ status: 202, headers: { 'x-probe': 'set' } });
    expect(await get('/moved')).toMatchObject({
      status: 307,
      headers: { location: 'http://127.0.0.1:5001/get/a', 'content-length': '0' },
    });
  });

  it('server-sent events are streamed', async () => {
    expect((await get('/events')).body).toContain('data: two');
  });

  it('keep-alive holds, and ends when the client asks', async () => {
    for (const { server } of [direct, express]) {
      const connection = await RawConnection.open(server);
      for (let i = 0; i < 3; i++)
        expect((await connection.send(ask('GET', `/get/${i}`)).answer()).body).toBe(i.toString());
      const last = await connection.send(ask('GET', '/get/last', 'Connection: close\r\n\r\n')).answer();
      expect(last.headers['connection']).toBe('close');
      await connection.closed();
    }
  });

  it('pipelined requests are answered in order', async () => {
    for (const { server } of [direct, express]) {
      const connection = await RawConnection.open(server);
      const names = Array.from({ length: 50 }, (_, i) => `k${i}`);
      // Every third goes through Express on both, and so comes later than its neighbours.
      connection.send(names.map((name, i) => ask('GET', i % 3 === 0 ? `/${name}` : `/get/${name}`)).join(''));
      for (const [i, name] of names.entries()) {
        const answer = await connection.answer();
        if (i % 3 === 0) expect(JSON.parse(answer.body)).toMatchObject({ detail: `Cannot GET /${name}` });
        else expect(answer.body).toBe(name);
      }
      connection.socket.destroy();
    }
  });
});

describe('DirectAdapter: errors', () => {
  it('a StoreError is answered by its row of the table, with its facts', async () => {
    const answer = await get('/throws/store');
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1', 'content-type': 'application/problem+json' },
    });
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'retry-later',
      detail: 'No primary.',
      partition: 3,
      retryable: true,
    });
  });

  it("Nest's own exceptions become problems", async () => {
    expect(JSON.parse((await get('/throws/nest')).body)).toMatchObject({
      code: 'bad-request',
      detail: 'as it is',
    });
    expect(JSON.parse((await get('/refused')).body)).toMatchObject({ status: 403, code: 'bad-request' });
  });

  it.each(['type', 'string', 'invariant', 'header', 'cycle'])(
    'throwing %s says nothing but internal',
    async (what) => {
      const answer = await get(`/throws/${what}`);
      expect(answer.status).toBe(500);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'internal' });
      expect(answer.body).not.toContain('secret');
      expect(answer.body).not.toContain('.ts');
    },
  );

  it('a stream that fails before its first byte is a problem too', async () => {
    const answer = await get('/answer/broken-stream');
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('secret');
  });

  it('a stream that fails after its first byte is cut, so that half is not taken for the whole', async () => {
    for (const { server } of [direct, express]) {
      const connection = await RawConnection.open(server);
      await connection.send(ask('GET', '/answer/half-stream')).closed();
      expect(connection.text).toMatch(/half\r\n$/);
    }
  });

  it('a broken invariant reaches the fatal handler', async () => {
    const before = [direct, express].map(({ fatal }) => fatal.length);
    await get('/throws/invariant');
    expect([direct, express].map(({ fatal }, i) => fatal.length - (before[i] ?? 0))).toEqual([1, 1]);
  });
});

describe('DirectAdapter: connections', () => {
  it('a reader that stops reading holds up nobody, and gets everything when it goes on', async () => {
    for (const { server } of [direct, express]) {
      const slow = await RawConnection.open(server);
      slow.socket.pause();
      slow.send(ask('GET', '/huge'));
      const other = await RawConnection.open(server);
      for (let i = 0; i < 5; i++) expect((await other.send(ask('GET', '/get/a')).answer()).body).toBe('a');
      slow.socket.resume();
      await slow.until(() => slow.socket.bytesRead > HUGE_BYTES, 'every byte');
      expect((await slow.answer()).body).toHaveLength(HUGE_BYTES);
      for (const { socket } of [slow, other]) socket.destroy();
    }
  });

  it('clients that leave before or amid their answer hurt nobody', async () => {
    for (const { server } of [direct, express]) {
      const before = held.length;
      const waiting = await RawConnection.open(server);
      waiting.send(ask('GET', '/held') + ask('GET', '/get/behind'));
      await eventually(() => held.length > before, 'the handler');
      waiting.socket.resetAndDestroy();
      const amid = await RawConnection.open(server);
      amid.send(ask('GET', '/huge'));
      await amid.until(() => amid.socket.bytesRead > 0, 'a first piece');
      amid.socket.resetAndDestroy();
      held.splice(0).forEach((release) => release());
    }
    expect((await get('/get/after')).body).toBe('after');
  });

  it('closing the application lets requests under way finish, and says that the connection closes', async () => {
    for (const viaTable of [true, false]) {
      const { app, server } = await startProbe({ controllers: [Probe] }, viaTable);
      const idle = await RawConnection.open(server);
      await idle.send(ask('GET', '/get/a')).answer();
      const busy = await RawConnection.open(server);
      busy.send(ask('GET', '/held'));
      const failing = await RawConnection.open(server);
      failing.send(ask('GET', '/held?fail'));
      await eventually(() => held.length === 2, 'both handlers');
      const closed = app.close();
      await idle.closed();
      held.splice(0).forEach((release) => release());
      expect(await busy.answer()).toMatchObject({ body: 'released', headers: { connection: 'close' } });
      expect(await failing.answer()).toMatchObject({ status: 503, headers: { connection: 'close' } });
      await closed;
      expect(server.listening).toBe(false);
    }
  });
});
