/**
 * Goal: what is read here is what Node's parser would have read, and whatever that may see otherwise is left to it.
 * Method: examples, and any bytes that are near a request, read by both.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { Duplex } from 'node:stream';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { WholeRequestReader } from './whole-request.js';
import type { WholeRequest } from './whole-request.js';

const reader = new WholeRequestReader();
const read = (text: string): WholeRequest | undefined => reader.read(Buffer.from(text, 'latin1'));

describe('WholeRequestReader', () => {
  it('reads a request that is there from its first byte to its last', () => {
    const found = read(
      'PUT /put/a%2Fb?ttl=5 HTTP/1.1\r\nHost: x\r\nContent-Type:  text/plain \r\nContent-Length: 3\r\n\r\n\0\xff\n',
    );
    expect(found).toMatchObject({
      method: 'PUT',
      url: '/put/a%2Fb?ttl=5',
      headers: { host: 'x', 'content-type': 'text/plain', 'content-length': '3' },
      body: Buffer.from([0, 255, 10]),
    });
    expect(found?.query).toEqual({ ttl: '5' });
  });

  it('takes a request without a body, and an empty one', () => {
    expect(read('GET / HTTP/1.1\r\nHost:\r\n\r\n')).toMatchObject({
      headers: { host: '' },
      body: Buffer.alloc(0),
    });
    expect(read('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')?.body).toHaveLength(0);
    expect(read('GET / HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n')).toBeDefined();
  });

  it.each([
    ['nothing', ''],
    ['half a head', 'GET / HTTP/1.1\r\nHost: x\r\n'],
    ['a body that is not all there', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab'],
    ['more than one request', 'GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a body without a length', 'PUT / HTTP/1.1\r\nHost: x\r\n\r\nabc'],
    ['no Host', 'GET / HTTP/1.1\r\nAccept: x\r\n\r\n'],
    ['no header', 'GET / HTTP/1.1\r\n\r\n'],
    ['another version', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'],
    ['an absolute target', 'GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['bytes beyond ASCII in the target', 'GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['chunks', 'PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    [
      'chunks and a length',
      'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
    ['a length that is a list', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na'],
    ['a length with a sign', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na'],
    ['a length in hexadecimal', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na'],
    ['an expectation', 'PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na'],
    ['an upgrade', 'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: y\r\n\r\n'],
    ['the end of the connection', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['connection options', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, x\r\n\r\n'],
    [
      'the end of the connection, in an old form',
      'GET / HTTP/1.1\r\nHost: x\r\nProxy-Connection: close\r\n\r\n',
    ],
    ['a header that is always a list', 'GET / HTTP/1.1\r\nHost: x\r\nSet-Cookie: a=b\r\n\r\n'],
    ['a length before a tab', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\t\r\n\r\na'],
    ['two headers of one name', 'GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n'],
    ['a name that objects have', 'GET / HTTP/1.1\r\nHost: x\r\n__proto__: y\r\n\r\n'],
    ['a folded header', 'GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\n b\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: x\r\n\r\n'],
    ['a bare line feed in a value', 'GET / HTTP/1.1\r\nHost: x\nAccept: y\r\n\r\n'],
    ['a bare carriage return', 'GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n'],
    ['a NUL', 'GET / HTTP/1.1\r\nHost: x\0\r\n\r\n'],
    ['an empty line first', '\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a large head', `GET /${'a'.repeat(5000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])('leaves %s to Node', (_what, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('reads header lines that repeat as it read them first', () => {
    const lines = 'Host: x\r\nContent-Length: 2\r\n\r\n';
    const first = read(`PUT /put/a HTTP/1.1\r\n${lines}ab`);
    const second = read(`PUT /put/long HTTP/1.1\r\n${lines}cd`);
    expect(second).toMatchObject({ method: 'PUT', url: '/put/long', body: Buffer.from('cd') });
    expect(second?.headers).toBe(first?.headers);
    expect(() => Object.assign(second?.headers as object, { host: 'y' })).toThrow(TypeError);
  });

  it.each([
    ['a body that is too short', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na'],
    ['a body that is too long', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabc'],
    ['another version', 'PUT / HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\nab'],
    ['a line too few', 'PUT / HTTP/1.1\r\nHost: x\r\n\r\nab'],
    ['a large head', `PUT /${'a'.repeat(5000)} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab`],
  ])('leaves %s to Node, behind a request that was read', (_what, text) => {
    expect(read('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab')).toBeDefined();
    expect(read(text)).toBeUndefined();
  });

  it('keeps to the limit of the server', () => {
    const small = new WholeRequestReader(40);
    const lines = 'Host: x\r\n\r\n';
    const get = (path: string): WholeRequest | undefined =>
      small.read(Buffer.from(`GET ${path} HTTP/1.1\r\n${lines}`));
    expect(get('/a')).toBeDefined();
    expect(get(`/${'a'.repeat(20)}`)).toBeUndefined();
  });
});

/** A connection that is fed by hand. */
class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
}

describe('WholeRequestReader and Node', () => {
  let node: Server;
  beforeAll(() => {
    node = createServer();
  });
  afterAll(() => {
    node.close();
  });

  /** What Node makes of the bytes: the requests with their bodies, through the first that is none. */
  async function readByNode(bytes: Buffer, count = 1): Promise<object[]> {
    const wire = new Wire();
    const found: object[] = [];
    try {
      return await new Promise((resolve) => {
        node.once('clientError', () => resolve(found));
        node.on('request', (req: IncomingMessage, res) => {
          const chunks: Buffer[] = [];
          req.on('data', (chunk: Buffer) => chunks.push(chunk));
          req.on('end', () => {
            const { method, url, headers } = req;
            found.push({ method, url, headers, body: Buffer.concat(chunks) });
            res.end();
            if (found.length === count) resolve(found);
          });
        });
        node.emit('connection', wire);
        wire.push(bytes);
      });
    } finally {
      node.removeAllListeners('clientError').removeAllListeners('request');
      wire.destroy();
    }
  }

  const line = fc.oneof(
    fc.constantFrom(
      'Host: x',
      'Content-Length: 2',
      'content-length:2',
      'Content-Length: 02',
      'Accept: */*',
      'Connection: keep-alive',
      'X-Any:  a b ',
      'Content-Length: 2\t',
      'Set-Cookie: a=b',
      'Cookie: a=b; c',
      'If-None-Match: "1"',
      '__proto__: x',
    ),
    fc.string({ maxLength: 12 }),
    fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}:[\t\x20-\x7e\x80-\xff]{0,8}$/),
  );
  const near = fc
    .record({
      method: fc.constantFrom('GET', 'PUT', 'DELETE', 'HEAD', 'get', 'FOO'),
      target: fc.oneof(
        fc.constant('/get/a'),
        fc.string({ maxLength: 8 }).map((text) => `/${text}`),
      ),
      lines: fc.array(line, { maxLength: 5 }),
      body: fc.constantFrom('', 'ab', 'abc'),
    })
    .map(({ method, target, lines, body }) =>
      Buffer.from(
        `${method} ${target} HTTP/1.1\r\n${['Host: h', ...lines].join('\r\n')}\r\n\r\n${body}`,
        'latin1',
      ),
    );

  it('read the same, whenever it is read here at all', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(near, async (bytes) => {
        const found = reader.read(bytes);
        if (found === undefined) return;
        taken += 1;
        const { method, url, headers, body } = found;
        // Node refuses methods that it does not know; no route has one either.
        if (method === 'FOO') return;
        expect(await readByNode(bytes)).toEqual([{ method, url, headers, body }]);
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(0);
  });

  /** What becomes of a head that was sent before, from the byte `at`. */
  const change = fc.oneof(
    { weight: 6, arbitrary: fc.constant((head: string) => head) },
    {
      weight: 2,
      arbitrary: fc
        .record({
          at: fc.nat(80),
          cut: fc.nat(12),
          put: fc.constantFrom(
            '',
            ' ',
            '\r\n',
            '\r',
            '\n',
            'x',
            '2',
            'Content-Length: 3\r\n',
            'A: b\r\n',
            '\r\n\r\n',
          ),
        })
        .map(
          ({ at, cut, put }) =>
            (head: string) =>
              head.slice(0, at) + put + head.slice(at + cut),
        ),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({ at: fc.oneof(fc.nat(4), fc.nat(80)), put: fc.constantFrom(' ', '\r', '\n', ':', 'x', '2') })
        .map(
          ({ at, put }) =>
            (head: string) =>
              head.slice(0, at) + put + head.slice(at + 1),
        ),
    },
    { weight: 1, arbitrary: line.map((more) => (head: string) => head.replace('\r\n', `\r\n${more}\r\n`)) },
    { weight: 1, arbitrary: line.map((more) => (head: string) => `${head.slice(0, -2)}${more}\r\n\r\n`) },
  );
  const good = fc.constantFrom(
    'Content-Length: 2',
    'content-length:  3',
    'Accept: */*',
    'X-Any:  a b ',
    'Cookie: a=b; c',
  );
  const heads = fc.array(
    fc
      .uniqueArray(good, { maxLength: 3, selector: (text) => text.slice(0, 14).toLowerCase() })
      .map((lines) => `\r\n${['Host: h', ...lines].join('\r\n')}\r\n\r\n`),
    { minLength: 1, maxLength: 2 },
  );
  const piece = fc.record({
    head: fc.nat(1),
    first: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('GET /get/a HTTP/1.1', 'PUT /put/a?b=c HTTP/1.1') },
      { weight: 1, arbitrary: fc.constantFrom('PUT / HTTP/1.0', 'PUT /\r HTTP/1.1', 'PUT / HTTP/1.1\r\n') },
    ),
    change,
    /** Undefined: as long as the head says. */
    body: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom('', 'ab', 'abc', 'a\r\n\r\n', '\r\n') },
    ),
  });
  const bodyFor = (head: string): string =>
    '\r\n\r\n'.slice(0, Number(/length: *(\d)/i.exec(head)?.[1] ?? 0));

  it('read the same of a connection that repeats its header lines, or nearly', async () => {
    let repeated = 0;
    await fc.assert(
      fc.asyncProperty(heads, fc.array(piece, { minLength: 2, maxLength: 6 }), async (any, pieces) => {
        const own = new WholeRequestReader();
        const found: WholeRequest[] = [];
        const sent: Buffer[] = [];
        for (const { head, first, change: changed, body } of pieces) {
          const lines = changed(any[head % any.length] ?? '');
          const bytes = Buffer.from(`${first}${lines}${body ?? bodyFor(lines)}`, 'latin1');
          const request = own.read(bytes);
          // From here on the connection is Node's.
          if (request === undefined) break;
          if (found.some(({ headers }) => headers === request.headers)) repeated += 1;
          found.push(request);
          sent.push(bytes);
        }
        if (found.length === 0) return;
        const expected = found.map(({ method, url, headers, body }) => ({ method, url, headers, body }));
        expect(await readByNode(Buffer.concat(sent), found.length)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
    expect(repeated).toBeGreaterThan(0);
  });
});
