/** Requests that are wrong: each gets a clear answer, nothing is half done, and the worker goes on serving. */
import { Readable } from 'node:stream';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type App, Answer, type HttpClient, RawConnection, useSandbox } from '@diststore/testing';

import { expectProblem } from './problem.js';

const MAX_VALUE_BYTES = 1000;
const MAX_HEADER_BYTES = 8192;
const REQUEST_TIMEOUT_MS = 400;

const sandbox = useSandbox('all');
let worker: App;
let http: HttpClient;

beforeAll(async () => {
  worker = await sandbox().startWorker({
    flags: [
      `--max-value-bytes=${MAX_VALUE_BYTES}`,
      `--max-header-bytes=${MAX_HEADER_BYTES}`,
      `--request-timeout-ms=${REQUEST_TIMEOUT_MS}`,
    ],
  });
  ({ http } = worker);
});

beforeEach(() => http.put('/put/witness/unharmed'));

afterEach(async () => {
  expect((await http.get('/get/witness')).text).toBe('unharmed');
  expect(worker.process.isRunning).toBe(true);
  await http.delete('/clear');
});

describe('keys', () => {
  const TOO_LONG = 'k'.repeat(1025);
  it.each([
    ['GET', `/get/${TOO_LONG}`],
    ['HEAD', `/get/${TOO_LONG}`],
    ['PUT', `/put/${TOO_LONG}`],
    ['PUT', `/put/${TOO_LONG}/x`],
    ['GET', `/put/${TOO_LONG}/x`],
    ['DELETE', `/delete/${TOO_LONG}`],
    ['GET', `/v1/kv/${TOO_LONG}`],
    ['PUT', `/v1/kv/${'%2F'.repeat(1025)}`],
    ['PUT', `/v1/kv/${'%C3%BC'.repeat(512)}x`],
    ['DELETE', `/v1/kv?key64=${Buffer.from(TOO_LONG).toString('base64url')}`],
  ])('1025 bytes: 414 for %s %.20s…', async (method, target) => {
    const answer = await http.send(method, target);
    if (method === 'HEAD') expect(answer.status).toBe(414);
    else
      expect(expectProblem(answer, { status: 414, code: 'key-too-long' })).toMatchObject({
        limitBytes: 1024,
        keyBytes: 1025,
      });
  });

  it.each([
    ['GET', '/get/', { status: 404, code: 'route-not-found' }],
    ['GET', '/get', { status: 404, code: 'route-not-found' }],
    ['PUT', '/put/', { status: 404, code: 'route-not-found' }],
    ['PUT', '/put//x', { status: 404, code: 'route-not-found' }],
    ['DELETE', '/delete/', { status: 404, code: 'route-not-found' }],
    ['PUT', '/v1/kv/', { status: 400, code: 'bad-parameter' }],
    ['PUT', '/v1/kv', { status: 400, code: 'bad-parameter' }],
    ['GET', '/v1/kv?key64=', { status: 400, code: 'bad-parameter' }],
  ])('0 bytes: %s %s is refused', async (method, target, expected) => {
    expectProblem(await http.send(method, target), expected);
  });

  it.each(['%', '%Z', '%ZZ', '%FF', '%C3', '%ED%A0%80', '%C0%80', 'a%2'])(
    '%j is no percent-encoded UTF-8, as key and as value',
    async (part) => {
      for (const [method, target] of [
        ['GET', `/get/${part}`],
        ['PUT', `/put/${part}`],
        ['PUT', `/put/${part}/x`],
        ['PUT', `/put/x/${part}`],
        ['GET', `/put/x/${part}`],
        ['DELETE', `/delete/${part}`],
        ['PUT', `/v1/kv/a/${part}`],
      ] as const) {
        expectProblem(await http.send(method, target), { status: 400, code: 'bad-key-encoding' });
      }
    },
  );

  it.each(['_w==', '_', 'a%20b', '+w', '%FF', 'QR', 'QQ&key64=QQ'])(
    'key64=%s is no base64url',
    async (key64) => {
      expectProblem(await http.put(`/v1/kv?key64=${key64}`), { status: 400, code: 'bad-parameter' });
    },
  );
});

describe('values', () => {
  const AT = 'v'.repeat(MAX_VALUE_BYTES);
  const OVER = `${AT}v`;
  const ways = [
    ['in the body', (value: string) => http.put('/put/A', value)],
    ['in the body of /v1/kv', (value: string) => http.put('/v1/kv/A', value)],
    ['in chunks', (value: string) => http.put('/put/A', Readable.from([Buffer.from(value)]))],
    ['in the URL', (value: string) => http.put(`/put/A/${value}`)],
    ['in the URL of a GET', (value: string) => http.get(`/put/A/${value}`)],
  ] as const;

  it.each(ways)(
    '%s: at the limit stored, above it 413, with the limit and the setting',
    async (_way, send) => {
      expect((await send(AT)).status).toBe(201);
      const problem = expectProblem(await send(OVER), { status: 413, code: 'value-too-large' });
      expect(problem).toMatchObject({ limitBytes: MAX_VALUE_BYTES, setting: 'maxValueBytes' });
      expect((await http.get('/get/A')).text).toBe(AT);
    },
  );

  it('a body that announces too much is refused before it is sent', async () => {
    const raw = await RawConnection.open(worker.url);
    raw.send(head('PUT /put/A', 'Content-Length: 10000000000', 'Expect: 100-continue'));
    expectProblem(parse(await raw.untilClosed()), { status: 413, code: 'value-too-large' });
  });
});

describe('routes', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/nowhere'],
    ['GET', '/GET/A'],
    ['PUT', '/put/a/b/c'],
    ['GET', '/get/a/b'],
    ['POST', '/v2/kv/a'],
    ['GET', '/v1'],
    ['GET', '/%'],
    ['GET', '//get/a'],
    ['GET', '/../etc/passwd'],
  ])('%s %s does not exist', async (method, target) => {
    const { status, headers, text } = await http.send(method, target);
    expect([404, 400]).toContain(status);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(text)).toMatchObject({ status, retryable: false });
  });

  it.each([
    ['POST', '/get/A', ['GET', 'HEAD']],
    ['PUT', '/get/A', ['GET', 'HEAD']],
    ['POST', '/put/A', ['PUT']],
    ['GET', '/put/A', ['PUT']],
    ['PATCH', '/put/A/x', ['PUT']],
    ['PUT', '/delete/A', ['DELETE']],
    ['POST', '/clear', ['DELETE']],
    ['PATCH', '/v1/kv/A', ['DELETE', 'GET', 'HEAD', 'PUT']],
    ['DELETE', '/worker', ['GET']],
    ['PUT', '/metrics', ['GET']],
    ['PROPFIND', '/get/A', ['GET']],
  ])('%s %s is a 405 that lists %j', async (method, target, allowed) => {
    const answer = await http.send(method, target);
    expectProblem(answer, { status: 405, code: 'method-not-allowed' });
    expect(String(answer.headers.allow).split(', ')).toEqual(expect.arrayContaining(allowed));
    expect((await http.send('OPTIONS', target)).headers.allow).toBe(answer.headers.allow);
  });

  it.each([
    ['a large header', () => http.get('/get/A', { headers: { 'x-large': 'x'.repeat(MAX_HEADER_BYTES) } })],
    ['a long URL', () => http.get(`/get/A?${'x'.repeat(2 * MAX_HEADER_BYTES)}`)],
    ['a long value in the URL', () => http.put(`/put/A/${'x'.repeat(2 * MAX_HEADER_BYTES)}`)],
  ])('%s is a 431', async (_name, send) => {
    const problem = expectProblem(await send(), { status: 431, code: 'headers-too-large' });
    expect(problem).toMatchObject({ limitBytes: MAX_HEADER_BYTES, setting: 'maxHeaderBytes' });
  });
});

describe('on the wire', () => {
  it.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex')],
    ['Redis', '*1\r\n$4\r\nPING\r\n'],
    ['no path', 'GET\r\n\r\n'],
    ['an unknown method', 'FETCH /get/A HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a bad version', 'GET /get/A HTTP/9.9\r\nHost: x\r\n\r\n'],
    ['no Host', 'GET /get/A HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['letters beyond ASCII in the URL', 'GET /get/ü HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a space in the URL', 'GET /get/a b HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a NUL in a header', 'GET /get/A HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n'],
    ['a negative length', 'PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    ['a length that is no number', 'PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n'],
    ['two lengths', 'PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy'],
    [
      'a length and chunks',
      'PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a chunk size that is no number',
      'PUT /put/A HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n',
    ],
  ])('%s is a 400, and the connection is closed', async (_name, bytes) => {
    const raw = await RawConnection.open(worker.url);
    raw.send(bytes);
    expectProblem(parse(await raw.untilClosed()), { status: 400, code: 'bad-request' });
    expect((await http.get('/get/A')).status).toBe(404);
  });

  it.each([
    ['is cut off', (raw: RawConnection) => raw.cut()],
    ['is cut off in chunks', (raw: RawConnection) => raw.cut(), 'Transfer-Encoding: chunked'],
  ])('a body that %s halfway stores nothing', async (_name, stop, length = 'Content-Length: 10') => {
    const before = await connections();
    const raw = await RawConnection.open(worker.url);
    raw.send(head('PUT /put/A', length, 'Expect: 100-continue'));
    await raw.untilReceived(/100 Continue/);
    expect(await connections()).toBe(before + 1);
    raw.send(length.startsWith('Content') ? 'hello' : '5\r\nhello\r\n');
    stop(raw);
    await sandbox().eventually('the connection is gone', async () => (await connections()) === before);
    expect((await http.get('/get/A')).status).toBe(404);
  });

  it('a body that ends halfway is answered, if the client still listens', async () => {
    const raw = await RawConnection.open(worker.url);
    raw.send(`${head('PUT /put/A', 'Content-Length: 10')}hello`);
    raw.end();
    expectProblem(parse(await raw.untilClosed()), { status: 400, code: 'incomplete-body' });
    expect((await http.get('/get/A')).status).toBe(404);
  });

  it.each([
    ['a body', `${head('PUT /put/A', 'Content-Length: 10')}hello`],
    ['a chunked body', `${head('PUT /put/A', 'Transfer-Encoding: chunked')}5\r\nhello\r\n`],
    ['a header', 'GET /get/A HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    ['nothing at all', ''],
  ])('%s that stalls is a 408, and stores nothing', async (_name, bytes) => {
    const raw = await RawConnection.open(worker.url);
    raw.send(bytes);
    const problem = expectProblem(parse(await raw.untilClosed()), { status: 408, code: 'request-timeout' });
    expect(problem).toMatchObject({ retryable: true, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    expect((await http.get('/get/A')).status).toBe(404);
  });

  it('a good request before a bad one on the same connection is answered first', async () => {
    const raw = await RawConnection.open(worker.url);
    raw.send(`${head('GET /get/witness')}garbage\r\n\r\n`);
    const received = await raw.untilClosed();
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
    expect(received).toContain('unharmed');
  });
});

function head(request: string, ...headers: string[]): string {
  return [`${request} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');
}

function parse(received: string): Answer {
  const [top = '', body = ''] = received.split('\r\n\r\n');
  const [status = '', ...lines] = top.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  return new Answer(Number(/^HTTP\/1\.1 (\d+)/.exec(status)?.[1]), headers, Buffer.from(body, 'latin1'));
}

/** Open at this moment, this client's own included, which it keeps alive. */
async function connections(): Promise<number> {
  const { text } = await http.get('/metrics');
  return Number(/^diststore_http_connections (\d+)/m.exec(text)?.[1]);
}
