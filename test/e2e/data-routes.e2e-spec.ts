/** The documented data routes and the resource API, as a client sees them, against one real worker. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type App, type HttpClient, useSandbox } from '@diststore/testing';

import { expectProblem } from './problem.js';

const sandbox = useSandbox('all');
let worker: App;
let http: HttpClient;

beforeAll(async () => {
  worker = await sandbox().startWorker({ index: 7, flags: ['--sweep-interval-ms=20'] });
  ({ http } = worker);
});

afterEach(() => http.delete('/clear'));

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_unused, byte) => byte));

async function keys(): Promise<number> {
  const { keys } = (await http.get('/worker')).json() as { keys: number };
  return keys;
}

describe('receipts', () => {
  it.each([
    ['PUT', '/put/A/happy'],
    ['PUT', '/put/A/happy/'],
    ['GET', '/put/A/happy'],
    ['GET', '/put/A/happy/'],
  ])(
    '%s %s answers 201 for a new key, 200 for a replaced one, with rising versions',
    async (method, target) => {
      const created = await http.send(method, target);
      const replaced = await http.send(method, target);
      expect([created.status, replaced.status]).toEqual([201, 200]);
      const [first, second] = [created, replaced].map((answer) => answer.json() as { version: number });
      expect(first).toEqual({ key: 'A', version: expect.any(Number), partition: 7, replicas: [7] });
      expect(second?.version).toBeGreaterThan(first?.version ?? Infinity);
      expect(replaced.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        etag: `"${second?.version ?? ''}"`,
        'diststore-version': `${second?.version ?? ''}`,
        'diststore-partition': '7',
        'diststore-replicas': '7',
      });
      expect((await http.get('/get/A')).text).toBe('happy');
    },
  );

  it.each([
    ['DELETE', '/delete/A'],
    ['DELETE', '/delete/A/'],
    ['GET', '/delete/A'],
    ['GET', '/delete/A/'],
    ['DELETE', '/v1/kv/A'],
    ['DELETE', '/v1/kv?key64=QQ'],
  ])('%s %s answers 200 with the version of the delete, then 404', async (method, target) => {
    const { version } = (await http.put('/put/A/happy')).json() as { version: number };
    const deleted = await http.send(method, target);
    expect(deleted.status).toBe(200);
    expect(deleted.json()).toEqual({ key: 'A', version: version + 1, partition: 7, replicas: [7] });
    expect(deleted.headers.etag).toBe(`"${version + 1}"`);
    expectProblem(await http.send(method, target), { status: 404, code: 'key-not-found' });
    expectProblem(await http.get('/get/A'), { status: 404, code: 'key-not-found' });
  });

  it.each([
    ['DELETE', '/clear'],
    ['DELETE', '/clear/'],
    ['GET', '/clear'],
    ['GET', '/clear/'],
  ])('%s %s removes every key and says how many', async (method, target) => {
    await Promise.all(['a', 'b', 'c'].map((key) => http.put(`/put/${key}/1`)));
    const cleared = await http.send(method, target);
    expect([cleared.status, cleared.json()]).toEqual([200, { removed: 3, workers: [7] }]);
    expectProblem(await http.get('/get/b'), { status: 404, code: 'key-not-found' });
    expect((await http.send(method, target)).json()).toEqual({ removed: 0, workers: [7] });
  });

  it('a version is never used twice, also after a delete and a clear', async () => {
    const versions: number[] = [];
    for (const step of ['put', 'delete', 'put', 'clear', 'put']) {
      const answer = await (step === 'put'
        ? http.put('/put/A/1')
        : http.delete(step === 'clear' ? '/clear' : '/delete/A'));
      const { version } = answer.json() as { version?: number };
      if (version !== undefined) versions.push(version);
    }
    expect(versions).toHaveLength(4);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });
});

describe('reading', () => {
  it('GET answers exactly the stored bytes, with version and holders', async () => {
    const { version } = (await http.put('/put/A', EVERY_BYTE)).json() as { version: number };
    for (const target of ['/get/A', '/get/A/', '/v1/kv/A', '/v1/kv?key64=QQ', '/v1/kv/?key64=QQ']) {
      const answer = await http.get(target);
      expect([answer.status, answer.body]).toEqual([200, EVERY_BYTE]);
      expect(answer.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-length': '256',
        etag: `"${version}"`,
        'diststore-version': `${version}`,
        'diststore-partition': '7',
        'diststore-replicas': '7',
        'x-content-type-options': 'nosniff',
        'content-security-policy': 'sandbox',
      });
    }
  });

  it('HEAD answers the same without the bytes', async () => {
    await http.put('/put/A', EVERY_BYTE);
    for (const target of ['/get/A', '/get/A/', '/v1/kv/A', '/v1/kv?key64=QQ']) {
      const [head, get] = [await http.head(target), await http.get(target)];
      expect([head.status, head.body.length]).toEqual([200, 0]);
      const unlike = ['date', 'keep-alive'];
      const comparable = (headers: object): object =>
        Object.fromEntries(Object.entries(headers).filter(([name]) => !unlike.includes(name)));
      expect(comparable(head.headers)).toEqual(comparable(get.headers));
    }
    const absent = await http.head('/get/B');
    expect([absent.status, absent.body.length]).toEqual([404, 0]);
  });

  it('the type that a client gives is kept, and what curl --data says is not taken for one', async () => {
    for (const [sent, kept] of [
      ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
      ['text/html', 'text/html'],
      ['application/x-www-form-urlencoded', 'application/octet-stream'],
    ] as const) {
      await http.put('/put/A', 'x', { headers: { 'content-type': sent } });
      expect((await http.get('/get/A')).headers['content-type']).toBe(kept);
    }
  });
});

describe('values', () => {
  it.each([
    ['all 256 byte values', EVERY_BYTE],
    ['nothing', Buffer.alloc(0)],
    ['one NUL', Buffer.alloc(1)],
    ['a megabyte', randomBytes(1 << 20)],
    ['line ends', Buffer.from('\r\n\n\r')],
  ])('%s, in the body, whole or in chunks, comes back as it went', async (_name, value) => {
    for (const target of ['/put/whole', '/put/whole/', '/v1/kv/whole']) {
      await http.put(target, value);
      expect((await http.get('/get/whole')).body.equals(value)).toBe(true);
    }
    await http.put(
      '/put/chunked',
      Readable.from([value.subarray(0, 100), value.subarray(100)].filter((c) => c.length > 0)),
    );
    expect((await http.get('/get/chunked')).body.equals(value)).toBe(true);
  });

  it.each([
    ['a%2Fb', 'a/b'],
    ['a%20b', 'a b'],
    ['a+b', 'a+b'],
    ['%25', '%'],
    ['%00', '\0'],
    ['..', '..'],
    ['%C3%BC', 'ü'],
    ['%F0%9F%98%80', '😀'],
    ["'quoted'", "'quoted'"],
    ['a%3Fb%23c', 'a?b#c'],
  ])('%s in the URL means %j', async (encoded, value) => {
    await http.put(`/put/A/${encoded}`);
    expect((await http.get('/get/A')).text).toBe(value);
  });

  it('a body without a value in the URL may be absent: an empty value', async () => {
    expect((await http.put('/put/A')).status).toBe(201);
    const answer = await http.get('/get/A');
    expect([answer.status, answer.body.length]).toEqual([200, 0]);
  });

  it('a value in both the URL and the body is refused', async () => {
    expectProblem(await http.put('/put/A/x', 'y'), { status: 400, code: 'bad-request' });
    expect((await http.get('/get/A')).status).toBe(404);
  });
});

describe('keys', () => {
  const LONG = 'k'.repeat(1024);
  it.each(
    (
      [
        ['a%2Fb', 'a/b'],
        ['a%20b', 'a b'],
        ['100%25', '100%'],
        ['%2525', '%25'],
        ['a+b', 'a+b'],
        ['%C3%BCber', 'über'],
        ['%E6%97%A5%E6%9C%AC', '日本'],
        ['a%00b', 'a\0b'],
        ['%00', '\0'],
        ['.', '.'],
        ['..', '..'],
        ['...', '...'],
        ['%2E%2E', '..'],
        ["'A'", "'A'"],
        ['a;b=c,d:e@f&g', 'a;b=c,d:e@f&g'],
        ['a%3Fb%23c', 'a?b#c'],
        ['%0A%0D%09', '\n\r\t'],
        ['%22%5C%7B', '"\\{'],
        [LONG, LONG],
        ['%2F'.repeat(1024), '/'.repeat(1024)],
        ['%C3%BC'.repeat(512), 'ü'.repeat(512)],
      ] as const
    ).map(([encoded, key]) => ({ name: encoded.slice(0, 30), encoded, key })),
  )('$name is one key on every route', async ({ encoded, key }) => {
    const value = `value of ${key.slice(0, 20)}`;
    const put = await http.put(`/put/${encoded}`, value);
    expect([put.status, (put.json() as { key: string }).key]).toEqual([201, key]);
    const key64 = Buffer.from(key).toString('base64url');
    for (const target of [
      `/get/${encoded}`,
      `/get/${encoded}/`,
      `/v1/kv/${encoded}`,
      `/v1/kv?key64=${key64}`,
    ]) {
      expect((await http.get(target)).text).toBe(value);
    }
    expect(await keys()).toBe(1);
    expect((await http.delete(`/delete/${encoded}`)).status).toBe(200);
  });

  it('capital and small letters, and different spellings of a character, are different keys', async () => {
    const spellings = ['a', 'A', '%C3%BC', 'u%CC%88'];
    for (const key of spellings) await http.put(`/put/${key}`, key);
    for (const key of spellings) expect((await http.get(`/get/${key}`)).text).toBe(key);
  });

  it('/v1/kv: slashes are part of the key, the last one too', async () => {
    const names = ['a/b/c', 'a/b/c/', 'a//b', 'a/b/../c', 'a', 'a/', 'get/a'];
    for (const key of names) await http.put(`/v1/kv/${key}`, `at ${key}`);
    expect(await keys()).toBe(names.length);
    for (const key of names) expect((await http.get(`/v1/kv/${key}`)).text).toBe(`at ${key}`);
    expect((await http.get('/get/a%2Fb%2Fc%2F')).text).toBe('at a/b/c/');
    expect((await http.get('/get/a/')).text).toBe('at a');
    expectProblem(await http.get('/get/a/b'), { status: 404, code: 'route-not-found' });
  });

  it('key64: any bytes, named by key64 in the receipt when they are no text', async () => {
    const key = Buffer.from([0xff, 0x00, 0xfe]);
    const target = `/v1/kv?key64=${key.toString('base64url')}`;
    const put = await http.put(target, EVERY_BYTE);
    expect(put.json()).toMatchObject({ key64: key.toString('base64url') });
    expect((await http.get(target)).body).toEqual(EVERY_BYTE);
    expect((await http.delete(target)).status).toBe(200);
    expect((await http.get(target)).status).toBe(404);
  });
});

describe('writing with GET', () => {
  const LINES = ['/put/A/happy', '/delete/A', '/clear'];

  it.each(LINES)('GET %s works and is not cached', async (target) => {
    await http.put('/put/A/1');
    const answer = await http.get(target);
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
  });

  it.each(
    LINES.flatMap((target) =>
      [
        ['sec-fetch-site', 'cross-site'],
        ['sec-fetch-site', 'same-origin'],
        ['origin', 'http://example.com'],
        ['referer', 'http://example.com/'],
      ].map(([header = '', value = '']) => [target, header, value] as const),
    ),
  )('GET %s is refused with %s: %s, naming the proper form', async (target, header, value) => {
    await http.put('/put/A/before');
    const refused = await http.get(target, { headers: { [header]: value } });
    const problem = expectProblem(refused, { status: 403, code: 'browser-refused' });
    expect(problem['detail']).toMatch(/Use (PUT|DELETE) \//);
    expect(refused.headers['cache-control']).toBe('no-store');
    expect((await http.get('/get/A')).text).toBe('before');
  });

  it('a browser may read, and may write with PUT and DELETE', async () => {
    const headers = { origin: 'http://example.com', 'sec-fetch-site': 'cross-site' };
    expect((await http.put('/put/A/1', undefined, { headers })).status).toBe(201);
    expect((await http.get('/get/A', { headers })).status).toBe(200);
    expect((await http.delete('/delete/A', { headers })).status).toBe(200);
  });

  it.each(LINES)('HEAD %s never writes', async (target) => {
    await http.put('/put/A/before');
    const answer = await http.head(target);
    expect([answer.status, answer.headers.allow]).toEqual([405, expect.stringContaining('GET')]);
    expect((await http.get('/get/A')).text).toBe('before');
  });

  it('--no-legacy-get-writes refuses them all and leaves the proper forms', async () => {
    const strict = await sandbox().startWorker({
      dataDir: sandbox().path('strict'),
      flags: ['--no-legacy-get-writes'],
    });
    expect((await strict.http.put('/put/A/1')).status).toBe(201);
    for (const target of LINES) {
      expectProblem(await strict.http.get(target), { status: 403, code: 'legacy-writes-off' });
    }
    expect((await strict.http.get('/get/A')).text).toBe('1');
    expect((await strict.http.delete('/clear')).json()).toMatchObject({ removed: 1 });
    await strict.process.stop();
  });
});

describe('expiry', () => {
  it.each(['ttl=100', 'ttlMs=100000'])('?%s shows how long the value has to live', async (query) => {
    for (const target of ['/put/A/x', '/put/A', '/v1/kv/A']) {
      await http.put(`${target}?${query}`);
      expect(Number((await http.get('/get/A')).headers['diststore-ttl'])).toBeGreaterThan(90);
    }
    await http.put('/put/A/for-ever');
    expect((await http.get('/get/A')).headers).not.toHaveProperty('diststore-ttl');
  });

  it('an expired value is gone for readers, deleters and writers, and the sweep removes it', async () => {
    await http.put('/put/stays/1');
    for (let i = 0; i < 20; i++) await http.put(`/put/goes${i}/1?ttlMs=1500`);
    expect(await keys()).toBe(21);
    await sandbox().eventually('it has expired', async () => (await http.get('/get/goes19')).status === 404);
    expect((await http.delete('/delete/goes19')).status).toBe(404);
    expect((await http.put('/put/goes19/again')).status).toBe(201);
    await sandbox().eventually('the sweep has removed the others', async () => (await keys()) === 2);
    expect((await http.get('/get/goes19')).text).toBe('again');
  });

  it.each([
    'ttl=0',
    'ttl=-1',
    'ttl=1.5',
    'ttl=',
    'ttl=x',
    'ttl=1&ttl=2',
    'ttlMs=0',
    'ttl=1&ttlMs=1',
    'ttl=99999999999',
  ])('?%s is refused, and nothing is stored', async (query) => {
    expectProblem(await http.put(`/put/A/x?${query}`), { status: 400, code: 'bad-parameter' });
    expect((await http.get('/get/A')).status).toBe(404);
  });
});
