/** The client against a server that answers as a test tells it to: what is sent, what is tried again, what is thrown. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { DistStoreClient } from './client.js';
import { isDistStoreError } from './error.js';
import { bytesOf, stepJson, targetOf } from './wire.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Reaction = (response: ServerResponse, seen: Seen) => void;

class ToldServer {
  readonly seen: Seen[] = [];
  private server: Server | undefined;

  constructor(private readonly reactions: Reaction[]) {}

  async open(): Promise<string> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const seen = {
          method: request.method ?? '',
          url: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        };
        this.seen.push(seen);
        // The last reaction stands for all that follow.
        const react = this.reactions.length > 1 ? this.reactions.shift() : this.reactions[0];
        react?.(response, seen);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.server = server;
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }
}

const stored: Reaction = (response) => {
  response.writeHead(201, { 'DistStore-Version': '7' }).end('{}');
};
const cut: Reaction = (response) => response.destroy();
const problem =
  (status: number, code: string, members: object = {}): Reaction =>
  (response) => {
    const retryable = status === 429 || status === 503;
    response.writeHead(status, { 'Content-Type': 'application/problem+json', 'Retry-After': '0' });
    response.end(JSON.stringify({ status, code, detail: `It is ${code}.`, retryable, ...members }));
  };

let servers: ToldServer[];
let clients: DistStoreClient[];

beforeEach(() => {
  servers = [];
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  for (const server of servers) server.close();
});

async function clientOf(...reactions: Reaction[][]): Promise<DistStoreClient> {
  const opened = reactions.map((each) => new ToldServer(each));
  servers.push(...opened);
  const endpoints = await Promise.all(opened.map((server) => server.open()));
  const client = new DistStoreClient({ endpoints, deadlineMs: 10_000 });
  clients.push(client);
  return client;
}

describe('what is sent', () => {
  it('a put has its type, lifetime, conditions and a name of its own', async () => {
    const client = await clientOf([stored]);
    await client.put('a/ü', 'v', { contentType: 'text/plain', ttlMs: 5, ifMatch: [1, 2] });
    await client.put('a', 'v', { idempotencyKey: 'mine' });
    const [first, second] = servers[0]?.seen ?? [];
    expect(first).toMatchObject({
      method: 'PUT',
      url: '/v1/kv/a/%C3%BC?ttlMs=5',
      body: 'v',
      headers: {
        'content-type': 'text/plain',
        'if-match': '"1", "2"',
        'idempotency-key': expect.stringMatching(/.{32}/),
      },
    });
    expect(second?.headers['idempotency-key']).toBe('mine');
  });

  it.each([
    ['a', '/v1/kv/a'],
    ['a/b c', '/v1/kv/a/b%20c'],
    ['a//b', '/v1/kv?key64=YS8vYg'],
    ['..', '/v1/kv?key64=Li4'],
    ['a/', '/v1/kv?key64=YS8'],
    [Buffer.from([0xff]), '/v1/kv?key64=_w'],
  ])('the key %j is at %s', (key, target) => {
    expect(targetOf(key)).toBe(target);
  });

  it('any key is named so that it comes out as it was', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.uint8Array()), (key) => {
        const url = new URL(targetOf(key), 'http://x');
        const key64 = url.searchParams.get('key64');
        const named =
          key64 === null
            ? Buffer.from(decodeURIComponent(url.pathname.slice('/v1/kv/'.length)))
            : Buffer.from(key64, 'base64url');
        expect(named).toEqual(bytesOf(key));
      }),
    );
  });

  it('steps carry text as text and bytes as base64url', () => {
    expect(stepJson({ op: 'put', key: 'a', value: Buffer.from([0xff]), ttlMs: 5 })).toEqual({
      op: 'put',
      key: 'a',
      value64: '_w',
      ttlMs: 5,
    });
    expect(stepJson({ op: 'incr', key: Buffer.from([0xff]), by: 2n ** 62n })).toEqual({
      op: 'incr',
      key64: '_w',
      by: '4611686018427387904',
    });
  });
});

describe('trying again', () => {
  it('a write is sent again under the same name, to the next endpoint, until one answers', async () => {
    const client = await clientOf(
      [cut],
      [problem(503, 'retry-later')],
      [problem(504, 'outcome-unknown'), stored],
    );
    const { version } = await client.put('a', 'v');
    expect(version).toBe(7);
    const seen = servers.flatMap((server) => server.seen);
    expect(seen.length).toBeGreaterThanOrEqual(4);
    expect(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(new Set(seen.map(({ body }) => body))).toEqual(new Set(['v']));
  });

  it('an endpoint that answered is kept', async () => {
    const client = await clientOf([cut], [stored]);
    for (let i = 0; i < 5; i += 1) await client.put('a', 'v');
    expect(servers.map((server) => server.seen.length)).toEqual([1, 5]);
  });

  it.each([
    [400, 'bad-parameter'],
    [412, 'precondition-failed'],
    [413, 'value-too-large'],
    [422, 'request-id-reused'],
    [500, 'internal'],
  ])('%d %s is thrown at once', async (status, code) => {
    const client = await clientOf([problem(status, code, { version: 3, limitBytes: 5 })]);
    const failed = client.put('a', 'v');
    await expect(failed).rejects.toMatchObject({
      code,
      status,
      message: `It is ${code}.`,
      version: 3,
      problem: { limitBytes: 5 },
    });
    expect(servers[0]?.seen).toHaveLength(1);
  });

  it('at the deadline a read has the last refusal, or nobody who answers', async () => {
    const busy = await clientOf([problem(503, 'retry-later')]);
    await expect(busy.get('a', { deadlineMs: 1000 })).rejects.toMatchObject({
      code: 'retry-later',
      status: 503,
    });
    const gone = await clientOf([cut]);
    await expect(gone.get('a', { deadlineMs: 300 })).rejects.toMatchObject({
      code: 'unreachable',
      retryable: true,
    });
  });

  it('at the deadline a write that may have been done is called unknown, and one that was never sent is not', async () => {
    for (const reaction of [cut, problem(504, 'outcome-unknown')]) {
      const gone = await clientOf([reaction]);
      await expect(gone.put('a', 'v', { deadlineMs: 300 })).rejects.toMatchObject({
        code: 'outcome-unknown',
        retryable: false,
      });
    }
    const nobody = new DistStoreClient({ endpoints: ['http://127.0.0.1:9'], deadlineMs: 300 });
    clients.push(nobody);
    await expect(nobody.put('a', 'v')).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('a signal ends it', async () => {
    const client = await clientOf([() => undefined]);
    const abort = new AbortController();
    const call = client.get('a', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });

  it('what is no problem document is an error too', async () => {
    const client = await clientOf([(response) => response.writeHead(404).end('<html>')]);
    const error: unknown = await client.get('a').catch((thrown: unknown) => thrown);
    expect(isDistStoreError(error, 'http-404')).toBe(true);
  });
});

describe('what is heard', () => {
  it('absence is undefined', async () => {
    const client = await clientOf([problem(404, 'key-not-found')]);
    expect(await client.get('a')).toBeUndefined();
    expect(await client.delete('a')).toBeUndefined();
    expect(await client.touch('a', undefined)).toBeUndefined();
  });

  it('a value comes with what is known of it', async () => {
    const headers = { 'DistStore-Version': '3', 'Content-Type': 'a/b', 'DistStore-TTL': '9' };
    const client = await clientOf([(response) => response.writeHead(200, headers).end(Buffer.from([0xff]))]);
    expect(await client.get('a')).toEqual({
      value: Buffer.from([0xff]),
      version: 3,
      contentType: 'a/b',
      ttlSeconds: 9,
    });
  });

  it('a count is exact beyond 2^53', async () => {
    const client = await clientOf([
      (response) =>
        response.writeHead(200, { 'DistStore-Version': '3' }).end('{"value":"9223372036854775807"}'),
    ]);
    expect(await client.incr('a')).toEqual({
      value: 2n ** 63n - 1n,
      version: 3,
      created: false,
      repeated: false,
    });
  });

  it('a listing goes on page by page, and a page is asked for again when it fails', async () => {
    const page =
      (items: object[], cursor: string | null): Reaction =>
      (response) => {
        response.end(JSON.stringify({ items, cursor }));
      };
    const client = await clientOf([
      page([{ key: 'a', version: 1, value: 'x' }], 'c1'),
      problem(503, 'retry-later'),
      page([{ key64: '_w', version: 2, value64: '_w', contentType: 'a/b', expireAtMs: 5 }], null),
    ]);
    const items = [];
    for await (const item of client.list({ prefix: 'p', pageSize: 10 })) items.push(item);
    expect(items).toEqual([
      {
        key: Buffer.from('a'),
        value: Buffer.from('x'),
        version: 1,
        contentType: undefined,
        expireAtMs: undefined,
      },
      { key: Buffer.from([255]), value: Buffer.from([255]), version: 2, contentType: 'a/b', expireAtMs: 5 },
    ]);
    expect(servers[0]?.seen.map(({ url }) => url)).toEqual([
      '/v1/kv?prefix64=cA&limit=10',
      '/v1/kv?prefix64=cA&limit=10&cursor=c1',
      '/v1/kv?prefix64=cA&limit=10&cursor=c1',
    ]);
  });

  it('batches and transactions give one result for each step', async () => {
    const results = [
      { status: 200, key: 'a', version: 2, value: '5' },
      { status: 200, key: 'n', version: 3, value: 5 },
      { status: 412, key: 'b', code: 'precondition-failed', detail: 'No.', version: 9 },
    ];
    const client = await clientOf([(response) => response.end(JSON.stringify({ held: true, results }))]);
    const steps = [
      { op: 'get', key: 'a' },
      { op: 'incr', key: 'n' },
      { op: 'delete', key: 'b', ifMatch: 1 },
    ] as const;
    const expected = [
      {
        status: 200,
        version: 2,
        value: Buffer.from('5'),
        number: undefined,
        code: undefined,
        detail: undefined,
      },
      { status: 200, version: 3, value: undefined, number: 5n, code: undefined, detail: undefined },
      {
        status: 412,
        version: 9,
        value: undefined,
        number: undefined,
        code: 'precondition-failed',
        detail: 'No.',
      },
    ];
    expect(await client.batch(steps)).toEqual(expected);
    expect(await client.txn({ compare: [{ key: 'a', value: 'x' }], then: steps })).toEqual({
      held: true,
      results: expected,
      repeated: false,
    });
  });
});
