/** The resource API of one real worker: every status code, every header, and what is refused. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, type App, type HttpClient, useSandbox } from '@diststore/testing';

import { expectProblem } from '../e2e/problem.js';

const MAX_VALUE_BYTES = 1024 * 1024;

const sandbox = useSandbox('all');
let worker: App;
let http: HttpClient;

beforeAll(async () => {
  worker = await sandbox().startWorker({ index: 7, flags: [`--max-value-bytes=${MAX_VALUE_BYTES}`] });
  ({ http } = worker);
});

afterEach(async () => {
  await http.delete('/clear');
  expect(worker.process.isRunning).toBe(true);
});

async function put(
  target: string,
  value: string | Buffer = 'v',
  headers: Record<string, string> = {},
): Promise<number> {
  const answer = await http.put(target, value, { headers });
  expect([200, 201]).toContain(answer.status);
  return (answer.json() as { version: number }).version;
}

function post(target: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return http.post(target, { body: typeof body === 'string' ? body : JSON.stringify(body), headers });
}

const SETS = [
  ['/v1/kv/a', '/v1/kv/a', '/v1/kv/a'],
  ['/v1/kv?key64=YQ', '/v1/kv?key64=YQ', '/v1/kv?key64=YQ'],
  ['/put/a', '/get/a', '/delete/a'],
] as const;

describe.each(SETS)('PUT %s, GET %s, DELETE %s', (toPut, toGet, toDelete) => {
  it('If-Match replaces the version that it names, and nothing else', async () => {
    expectProblem(await http.put(toPut, 'v', { headers: { 'if-match': '*' } }), {
      status: 412,
      code: 'precondition-failed',
    });
    const version = await put(toPut, '1');
    for (const tag of [`"${version + 1}"`, `W/"${version}"`, '"x"', '""']) {
      const refused = expectProblem(await http.put(toPut, '2', { headers: { 'if-match': tag } }), {
        status: 412,
        code: 'precondition-failed',
      });
      expect(refused['version']).toBe(version);
    }
    expect((await http.get(toGet)).text).toBe('1');
    expect((await http.put(toPut, '2', { headers: { 'if-match': `"x", "${version}"` } })).status).toBe(200);
    expect((await http.put(toPut, '3', { headers: { 'if-match': '*' } })).status).toBe(200);
    expectProblem(await http.delete(toDelete, { headers: { 'if-match': `"${version}"` } }), {
      status: 412,
      code: 'precondition-failed',
    });
    expect((await http.get(toGet)).text).toBe('3');
  });

  it('If-None-Match: * creates once', async () => {
    const headers = { 'if-none-match': '*' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => http.put(toPut, `${i}`, { headers })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19);
  });

  it('a read answers 304 to the version that the client has, and 412 to one that it demands and is not there', async () => {
    const version = await put(toPut, 'value');
    for (const method of ['GET', 'HEAD']) {
      for (const tag of [`"${version}"`, `W/"${version}"`, `"x", "${version}"`, '*']) {
        const unchanged = await http.send(method, toGet, { headers: { 'if-none-match': tag } });
        expect([unchanged.status, unchanged.text]).toEqual([304, '']);
        expect(unchanged.headers).toMatchObject({ etag: `"${version}"`, 'diststore-version': `${version}` });
      }
      expect((await http.send(method, toGet, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
      expect((await http.send(method, toGet, { headers: { 'if-match': `"${version}"` } })).status).toBe(200);
      expect((await http.send(method, toGet, { headers: { 'if-match': `"${version + 1}"` } })).status).toBe(
        412,
      );
    }
    await http.delete(toDelete);
    expect((await http.get(toGet, { headers: { 'if-none-match': '*', 'if-match': '*' } })).status).toBe(404);
  });

  it('one range is given in part, and If-Range decides whether', async () => {
    const version = await put(toPut, '0123456789', { 'content-type': 'text/x' });
    const part = async (range: string, ifRange?: string): Promise<Answer> =>
      http.get(toGet, { headers: { range, ...(ifRange === undefined ? {} : { 'if-range': ifRange }) } });
    for (const [range, text, contentRange] of [
      ['bytes=0-1', '01', 'bytes 0-1/10'],
      ['bytes=8-', '89', 'bytes 8-9/10'],
      ['bytes=-1', '9', 'bytes 9-9/10'],
    ]) {
      const answer = await part(range as string);
      expect([answer.status, answer.text]).toEqual([206, text]);
      expect(answer.headers).toMatchObject({
        'content-range': contentRange,
        'content-type': 'text/x',
        etag: `"${version}"`,
      });
    }
    expect((await part('bytes=0-1', `"${version}"`)).status).toBe(206);
    for (const whole of [
      await part('bytes=0-1', `"${version + 1}"`),
      await part('bytes=0-1', `W/"${version}"`),
      await part('bytes=0-1', 'Wed, 21 Oct 2015 07:28:00 GMT'),
      await part('bytes=0-1,3-4'),
      await part('lines=0-1'),
    ]) {
      expect([whole.status, whole.text, whole.headers['accept-ranges']]).toEqual([
        200,
        '0123456789',
        'bytes',
      ]);
    }
    const beyond = await part('bytes=10-');
    expectProblem(beyond, { status: 416, code: 'range-not-satisfiable' });
    expect(beyond.headers['content-range']).toBe('bytes */10');
    expect((await http.head(toGet, { headers: { range: 'bytes=0-1' } })).status).toBe(200);
  });

  it('JSON comes only where it is preferred to what is stored', async () => {
    const version = await put(toPut, 'happy', { 'content-type': 'text/plain' });
    const asked = (accept: string): Promise<Answer> => http.get(toGet, { headers: { accept } });
    const envelope = await asked('application/json');
    expect(envelope.headers['content-type']).toMatch(/^application\/json/);
    expect(envelope.json()).toEqual({
      key: 'a',
      version,
      contentType: 'text/plain',
      value: 'happy',
      partition: 7,
      replicas: [7],
    });
    for (const accept of [
      '*/*',
      'application/json, */*',
      'text/*, application/json;q=0.9',
      'image/png',
      'application/*',
    ]) {
      expect((await asked(accept)).text).toBe('happy');
    }
    await put(toPut, Buffer.from([0xff]));
    expect((await asked('application/json')).json()).toMatchObject({ value64: '_w' });
    await put(toPut, '{"json":true}', { 'content-type': 'application/json' });
    expect((await asked('application/json')).json()).toEqual({ json: true });
  });

  it('Prefer: return=minimal leaves the receipt out', async () => {
    const headers = { prefer: 'return=minimal' };
    const stored = await http.put(toPut, 'v', { headers });
    expect([stored.status, stored.text, stored.headers['preference-applied']]).toEqual([
      204,
      '',
      'return=minimal',
    ]);
    expect(stored.headers.etag).toBe(`"${stored.headers['diststore-version'] as string}"`);
    expect((await http.delete(toDelete, { headers })).status).toBe(204);
    expect((await http.delete(toDelete, { headers })).status).toBe(404);
  });

  it('every data answer says version, partition and replicas, and is safe to open', async () => {
    const receipt = await http.put(toPut, '<script>', { headers: { 'content-type': 'text/html' } });
    const read = await http.get(`${toGet}${toGet.includes('?') ? '&' : '?'}consistency=stale`);
    const all = {
      'diststore-version': expect.stringMatching(/^\d+$/),
      'diststore-partition': '7',
      'diststore-replicas': '7',
    };
    expect(receipt.headers).toMatchObject(all);
    expect(read.headers).toMatchObject({
      ...all,
      'content-type': 'text/html',
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
      'cache-control': 'no-cache',
      'diststore-consistency': 'stale',
      'diststore-lag-ms': '0',
    });
  });

  it.each([
    ['PUT', 'if-match', 'x'],
    ['PUT', 'if-none-match', '"1'],
    ['PUT', 'prefer', '='],
    ['PUT', 'idempotency-key', 'x'.repeat(256)],
    ['PUT', 'content-type', 'ü'],
    ['DELETE', 'if-match', '1'],
    ['DELETE', 'prefer', '"'],
    ['GET', 'if-match', '*, *'],
    ['GET', 'if-none-match', ''],
    ['GET', 'range', 'bytes=2-1'],
    ['GET', 'range', 'x'],
    ['GET', 'accept', 'json'],
    ['GET', 'accept', 'a/b;q=7'],
  ])(
    '%s with a malformed %s (%s) is a 400 that names it, and changes nothing',
    async (method, header, value) => {
      await put(toPut, 'before');
      const target = { GET: toGet, PUT: toPut, DELETE: toDelete }[method] ?? '';
      const raw = header === 'content-type' ? Buffer.from(value).toString('latin1') : value;
      const answer = await http.send(method, target, {
        headers: { [header]: raw },
        ...(method === 'PUT' ? { body: 'after' } : {}),
      });
      const problem = expectProblem(answer, { status: 400, code: 'bad-request' });
      expect(String(problem['header']).toLowerCase()).toBe(header);
      expect(problem['detail']).toMatch(new RegExp(`The header ${header} is malformed: `, 'i'));
      expect((await http.get(toGet)).text).toBe('before');
    },
  );
});

describe('POST to a key', () => {
  it('incr counts from nothing, by any 64-bit number, and says the sum', async () => {
    expect((await http.post('/v1/kv/n/incr')).json()).toMatchObject({ key: 'n', value: 1 });
    expect((await http.post('/v1/kv/n/incr?by=-11')).json()).toMatchObject({ value: -10 });
    expect((await http.post('/v1/kv?key64=bg', {})).status).toBe(405);
    expect((await http.post('/v1/kv/incr?key64=bg&by=9223372036854775807')).json()).toMatchObject({
      value: '9223372036854775797',
    });
    expect((await http.get('/v1/kv/n')).text).toBe('9223372036854775797');
    expectProblem(await http.post('/v1/kv/n/incr?by=100'), { status: 409, code: 'overflow' });
    await put('/v1/kv/n', 'x');
    expectProblem(await http.post('/v1/kv/n/incr'), { status: 409, code: 'not-an-integer' });
    for (const by of ['', 'x', '1.5', '9223372036854775808', '1&by=2']) {
      expectProblem(await http.post(`/v1/kv/n/incr?by=${by}`), { status: 400, code: 'bad-parameter' });
    }
  });

  it('append, touch and persist change what is there', async () => {
    expect((await post('/v1/kv/a/append', 'ab')).json()).toMatchObject({ length: 2 });
    expect(
      (await http.post('/v1/kv/a/append', { body: Readable.from([Buffer.from('c')]) })).json(),
    ).toMatchObject({ length: 3 });
    expect((await http.get('/v1/kv/a')).text).toBe('abc');
    expect((await http.post('/v1/kv/a/touch?ttl=100')).status).toBe(200);
    expect(Number((await http.get('/v1/kv/a')).headers['diststore-ttl'])).toBeGreaterThan(90);
    expect((await http.post('/v1/kv/a/persist')).status).toBe(200);
    expect((await http.get('/v1/kv/a')).headers).not.toHaveProperty('diststore-ttl');
    expectProblem(await http.post('/v1/kv/b/touch?ttl=1'), { status: 404, code: 'key-not-found' });
    expectProblem(await http.post('/v1/kv/b/persist'), { status: 404, code: 'key-not-found' });
    expectProblem(await http.post('/v1/kv/a/touch'), { status: 400, code: 'bad-parameter' });
    const half = Buffer.alloc(MAX_VALUE_BYTES - 2);
    expectProblem(await http.post('/v1/kv/a/append', { body: half }), {
      status: 413,
      code: 'value-too-large',
    });
  });

  it('conditions hold for them too', async () => {
    const version = await put('/v1/kv/a', '1');
    const headers = { 'if-match': `"${version + 1}"` };
    for (const action of ['incr', 'append', 'touch?ttl=1', 'persist']) {
      expectProblem(await http.post(`/v1/kv/a/${action}`, { headers }), {
        status: 412,
        code: 'precondition-failed',
      });
    }
    expect((await http.get('/v1/kv/a')).headers.etag).toBe(`"${version}"`);
  });

  it('a key that ends like an action is a key like any other', async () => {
    await put('/v1/kv/a/incr', 'mine');
    expect((await http.get('/v1/kv/a/incr')).text).toBe('mine');
    expect((await http.post('/v1/kv/a/incr')).json()).toMatchObject({ key: 'a', value: 1 });
    expect((await http.get('/v1/kv/a/incr')).text).toBe('mine');
    expect((await http.post('/v1/kv/a/incr/incr')).status).toBe(409);
    expectProblem(await http.post('/v1/kv/a%2Fincr'), { status: 405, code: 'method-not-allowed' });
    expectProblem(await http.post('/v1/kv/a/other'), { status: 405, code: 'method-not-allowed' });
    expectProblem(await http.post('/v1/kv/incr'), { status: 400, code: 'bad-parameter' });
  });
});

describe('Idempotency-Key', () => {
  const ways: readonly (readonly [name: string, method: string, target: string, body: string | undefined])[] =
    [
      ['PUT with the value in the URL', 'PUT', '/put/a/v', undefined],
      ['GET that writes', 'GET', '/put/a/v', undefined],
      ['PUT', 'PUT', '/v1/kv/a?ttl=100', 'v'],
      ['incr', 'POST', '/v1/kv/a/incr', undefined],
      ['append', 'POST', '/v1/kv/a/append', 'v'],
      [
        'a batch',
        'POST',
        '/v1/batch',
        '{"operations":[{"op":"incr","key":"a"},{"op":"append","key":"b","value":"x"}]}',
      ],
      ['a transaction', 'POST', '/v1/txn', '{"then":[{"op":"incr","key":"a"}]}'],
    ];

  it.each(ways)('%s is done once, and answered the same', async (name, method, target, body) => {
    const headers = { 'idempotency-key': `once ${name}` };
    const send = (): Promise<Answer> =>
      http.send(method, target, { headers, ...(body === undefined ? {} : { body }) });
    const first = await send();
    expect([200, 201]).toContain(first.status);
    const before = (await http.get('/v1/export')).text;
    const second = await send();
    expect(second.status).toBe(first.status);
    if (name === 'a batch') expect(second.text.replace(/,"repeated":true/g, '')).toBe(first.text);
    else expect([second.text, second.headers['diststore-repeated']]).toEqual([first.text, 'true']);
    expect(first.headers).not.toHaveProperty('diststore-repeated');
    expect((await http.get('/v1/export')).text).toBe(before);
  });

  it('for something else is refused, and changes nothing', async () => {
    const headers = { 'idempotency-key': 'mine' };
    await put('/v1/kv/a', '1', headers);
    for (const [target, value] of [
      ['/v1/kv/a', '2'],
      ['/v1/kv/a?ttl=5', '1'],
      ['/v1/kv/b', '1'],
    ] as const) {
      expectProblem(await http.put(target, value, { headers }), { status: 422, code: 'request-id-reused' });
    }
    expect((await http.get('/v1/kv/a')).text).toBe('1');
    expect((await http.get('/v1/kv/b')).status).toBe(404);
  });

  it('a refusal by a condition is no deed, and is decided anew', async () => {
    const headers = { 'idempotency-key': 'refused', 'if-none-match': '*' };
    await put('/v1/kv/a', '1');
    expect((await http.put('/v1/kv/a', '2', { headers })).status).toBe(412);
    expect((await http.put('/v1/kv/a', '2', { headers })).status).toBe(412);
  });
});

describe('parameters', () => {
  it.each([
    ['GET', '/v1/kv?limit=0'],
    ['GET', '/v1/kv?limit=10001'],
    ['GET', '/v1/kv?limit=x'],
    ['GET', '/v1/kv?limit=1&limit=2'],
    ['GET', '/v1/kv?limt=1'],
    ['GET', '/v1/kv?keysOnly=perhaps'],
    ['GET', '/v1/kv?prefix=a&prefix64=YQ'],
    ['GET', '/v1/kv?prefix=%FF'],
    ['GET', '/v1/kv?start64=a'],
    ['GET', '/v1/kv?cursor=x'],
    ['GET', '/v1/kv/a?consistency=none'],
    ['GET', '/v1/kv/a?ttl=1'],
    ['PUT', '/v1/kv/a?ttl=0'],
    ['PUT', '/v1/kv/a?ttl=1.5'],
    ['PUT', '/v1/kv/a?ttl=99999999999'],
    ['PUT', '/v1/kv/a?ttl=1&ttlMs=1'],
    ['PUT', '/v1/kv/a?tll=1'],
    ['DELETE', '/v1/kv/a?x'],
    ['POST', '/v1/batch?x=1'],
    ['POST', '/v1/import?x=1'],
    ['GET', '/v1/export?limit=1'],
    ['GET', '/v1/kv?prefix=%ZZ'],
    ['PUT', '/v1/kv/a?ttl=%'],
  ])('%s %s is a 400 that names the parameter', async (method, target) => {
    const problem = expectProblem(await http.send(method, target), { status: 400, code: 'bad-parameter' });
    expect(problem['detail']).toContain(String(problem['parameter']));
    expect(target).toContain(String(problem['parameter']));
  });
});

describe('listing', () => {
  const ALL = ['a', 'a/1', 'a/2', 'b', 'ü'];

  it('pages through all keys in order', async () => {
    for (const key of [...ALL].reverse()) await put(`/v1/kv/${encodeURIComponent(key)}`, `at ${key}`);
    await put('/v1/kv?key64=_w', Buffer.from([0xff]));
    const seen: object[] = [];
    let cursor = '';
    do {
      const page = (await http.get(`/v1/kv?limit=2${cursor}`)).json() as {
        items: object[];
        cursor: string | null;
      };
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items);
      cursor = page.cursor === null ? '' : `&cursor=${page.cursor}`;
    } while (cursor !== '');
    const version = expect.any(Number);
    expect(seen).toEqual([
      ...ALL.map((key) => ({ key, version, value: `at ${key}` })),
      { key64: '_w', version, value64: '_w' },
    ]);
  });

  it.each([
    ['prefix=a', ['a', 'a/1', 'a/2']],
    ['prefix=a/', ['a/1', 'a/2']],
    ['start=a/2&end=b', ['a/2']],
    ['start64=YS8y', ['a/2', 'b', 'ü']],
    ['end=a', []],
    ['start=b&end=a', []],
    ['prefix=zz', []],
    ['prefix=%C3%BC', ['ü']],
  ])('%s gives %j', async (query, expected) => {
    for (const key of ALL) await put(`/v1/kv/${encodeURIComponent(key)}`);
    const { items, cursor } = (await http.get(`/v1/kv?keysOnly&${query}`)).json() as {
      items: { key: string }[];
      cursor: null;
    };
    expect(items.map(({ key }) => key)).toEqual(expected);
    expect(cursor).toBeNull();
    expect(JSON.stringify(items)).not.toContain('value');
  });

  it('as a stream ends with a line that says whether it is complete', async () => {
    for (let i = 0; i < 500; i += 1) await put(`/v1/kv/k${String(i).padStart(3, '0')}`);
    const headers = { accept: 'application/x-ndjson' };
    const lines = async (target: string): Promise<Record<string, unknown>[]> =>
      (await http.get(target, { headers })).text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const all = await lines('/v1/kv');
    expect(all.pop()).toEqual({ complete: true, count: 500 });
    expect(all.map(({ key }) => key)).toEqual(
      Array.from({ length: 500 }, (_, i) => `k${String(i).padStart(3, '0')}`),
    );
    const some = await lines('/v1/kv?limit=3');
    const last = some.pop();
    expect(last).toEqual({ complete: false, count: 3, cursor: expect.any(String) });
    const rest = await lines(`/v1/kv?cursor=${String(last?.['cursor'])}`);
    expect(rest[0]).toMatchObject({ key: 'k003' });
    expect(rest.at(-1)).toEqual({ complete: true, count: 497 });
  });

  it('a cursor lasts, and is of this cluster', async () => {
    for (const key of ALL) await put(`/v1/kv/${encodeURIComponent(key)}`);
    const { cursor } = (await http.get('/v1/kv?limit=1')).json() as { cursor: string };
    await http.delete('/v1/kv/a');
    expect((await http.get(`/v1/kv?limit=1&cursor=${cursor}`)).json()).toMatchObject({
      items: [{ key: 'a/1' }],
    });
    const other = await sandbox().startWorker({ dataDir: sandbox().path('other') });
    const refused = expectProblem(await other.http.get(`/v1/kv?cursor=${cursor}`), {
      status: 400,
      code: 'bad-parameter',
    });
    expect(refused['detail']).toMatch(/of another cluster, [0-9a-f]{32}; this one is [0-9a-f]{32}/);
    await other.process.stop();
  });

  it('a page of large values ends early, and the next goes on', async () => {
    const value = randomBytes(MAX_VALUE_BYTES);
    for (let i = 0; i < 10; i += 1) await put(`/v1/kv/large${i}`, value);
    const seen: string[] = [];
    let pages = 0;
    let cursor = '';
    do {
      const page = (await http.get(`/v1/kv?prefix=large${cursor}`)).json() as {
        items: { key: string; value64: string }[];
        cursor: string | null;
      };
      for (const { value64 } of page.items)
        expect(Buffer.from(value64, 'base64url').equals(value)).toBe(true);
      seen.push(...page.items.map(({ key }) => key));
      cursor = page.cursor === null ? '' : `&cursor=${page.cursor}`;
      pages += 1;
    } while (cursor !== '');
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => `large${i}`));
    expect(pages).toBeGreaterThan(1);
  });
});

describe('batches', () => {
  it('answer each operation in order, with the status that it alone would have had', async () => {
    const operations = [
      { op: 'put', key: 'a', value: '1', contentType: 'text/x' },
      { op: 'incr', key: 'a', by: 4 },
      { op: 'get', key: 'a' },
      { op: 'append', key: 'b', value64: '_w' },
      { op: 'put', key: 'a', value: '0', ifNoneMatch: '*' },
      { op: 'put', key: 'x'.repeat(1025), value: '' },
      { op: 'incr', key: 'b' },
      { op: 'delete', key: 'c' },
      { op: 'touch', key: 'a', ttl: 100 },
      { op: 'get', key: 'c' },
      { op: 'delete', key: 'a' },
      { op: 'get', key: 'a' },
    ];
    const { results, atomic } = (await post('/v1/batch', { operations })).json() as {
      results: object[];
      atomic: boolean;
    };
    expect(atomic).toBe(false);
    expect(results).toEqual([
      expect.objectContaining({ status: 201, key: 'a' }),
      expect.objectContaining({ status: 200, value: 5 }),
      expect.objectContaining({ status: 200, value: '5', contentType: 'text/x' }),
      expect.objectContaining({ status: 200, length: 1 }),
      expect.objectContaining({ status: 412, code: 'precondition-failed' }),
      expect.objectContaining({ status: 414, code: 'key-too-long' }),
      expect.objectContaining({ status: 409, code: 'not-an-integer' }),
      expect.objectContaining({ status: 404, code: 'key-not-found' }),
      expect.objectContaining({ status: 200 }),
      expect.objectContaining({ status: 404 }),
      expect.objectContaining({ status: 200 }),
      expect.objectContaining({ status: 404 }),
    ]);
  });

  it.each([
    ['no JSON', 'x', 400, 'bad-request'],
    ['nothing', '', 400, 'bad-request'],
    ['no list', '{}', 400, 'bad-request'],
    ['an unknown field', '{"operations":[],"x":1}', 400, 'bad-request'],
    [
      'JSON nested 10,000 deep',
      `{"operations":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      400,
      'bad-request',
    ],
    [
      '1001 operations',
      JSON.stringify({ operations: Array(1001).fill({ op: 'get', key: 'a' }) }),
      400,
      'bad-request',
    ],
    ['more than 8 MiB', `{"operations":"${'x'.repeat(8 * 1024 * 1024)}"}`, 413, 'value-too-large'],
    ['an operation of no kind', '{"operations":[{"op":"get","key":"a"},{"op":"x"}]}', 400, 'bad-request'],
    ['an operation without a key', '{"operations":[{"op":"put","value":"x"}]}', 400, 'bad-request'],
  ])('%s is refused as a whole', async (_name, body, status, code) => {
    for (const target of ['/v1/batch', '/v1/txn']) {
      const problem = expectProblem(await post(target, body), { status, code });
      expect(problem['detail']).toMatch(/\w/);
    }
  });

  it('the same in full size go through', async () => {
    const operations = Array.from({ length: 1000 }, (_, i) => ({
      op: 'put',
      key: `k${i}`,
      value: 'x'.repeat(1000),
    }));
    const { results } = (await post('/v1/batch', { operations })).json() as { results: { status: number }[] };
    expect(results.every(({ status }) => status === 201)).toBe(true);
    expect((await http.get('/v1/kv/k999')).text).toHaveLength(1000);
  });
});

describe('transactions', () => {
  it('do one or the other, as a whole', async () => {
    const body = {
      compare: [{ key: '{a}', ifNoneMatch: '*' }],
      then: [
        { op: 'put', key: '{a}', value: '1' },
        { op: 'incr', key: '{a}n' },
      ],
      else: [{ op: 'get', key: '{a}' }],
    };
    expect((await post('/v1/txn', body)).json()).toMatchObject({
      held: true,
      results: [{ status: 201 }, { value: 1 }],
    });
    expect((await post('/v1/txn', body)).json()).toMatchObject({
      held: false,
      results: [{ status: 200, value: '1' }],
    });
    const failing = {
      then: [
        { op: 'put', key: '{a}', value: '2' },
        { op: 'incr', key: '{a}x' },
        { op: 'incr', key: '{a}bad' },
      ],
    };
    await put('/v1/kv/%7Ba%7Dbad', 'no number');
    expectProblem(await post('/v1/txn', failing), { status: 409, code: 'not-an-integer' });
    expect((await http.get('/v1/kv/%7Ba%7D')).text).toBe('1');
    expect((await http.get('/v1/kv/%7Ba%7Dx')).status).toBe(404);
    const byValue = { compare: [{ key: '{a}', value: '1' }], then: [{ op: 'delete', key: '{a}' }] };
    expect((await post('/v1/txn', byValue)).json()).toMatchObject({ held: true });
  });
});

describe('import and export', () => {
  it('carry any keys and values there and back', async () => {
    const values = new Map<string, Buffer>();
    for (let i = 0; i < 300; i += 1)
      values.set(randomBytes(4 + (i % 20)).toString('hex'), randomBytes(i * 7));
    for (const [key, value] of values) {
      const key64 = Buffer.from(key, 'hex').toString('base64url');
      await put(`/v1/kv?key64=${key64}`, value, { 'content-type': 'a/b' });
    }
    await put('/v1/kv/text?ttl=1000', '{"quotes":"\\u0000\n"}');
    const exported = (await http.get('/v1/export')).text;
    await http.delete('/clear');
    const report = (await http.post('/v1/import', { body: exported })).text.trimEnd().split('\n');
    expect(JSON.parse(report.at(-1) ?? '')).toEqual({
      done: true,
      lines: 302,
      stored: 301,
      expired: 0,
      failed: 0,
      firstBad: [],
    });
    const withoutVersions = (text: string): string => text.replace(/"version":\d+,/g, '');
    expect(withoutVersions((await http.get('/v1/export')).text)).toBe(withoutVersions(exported));
  });

  it('say what is wrong with which line, and go on', async () => {
    const lines = [
      '{"key":"a","value":"1"}',
      'nonsense',
      '{"key":"b"}',
      '{"key":"","value":"x"}',
      '',
      `{"key":"c","value":"${'x'.repeat(MAX_VALUE_BYTES + 1)}"}`,
      '{"key":"d","value":"old","expireAtMs":1}',
      '{"key":"e","value":"2","ttl":100}',
      `{"key":"f","value":"${'x'.repeat(7 * MAX_VALUE_BYTES)}"}`,
      '['.repeat(10_000),
      '{"complete":false,"count":9}',
    ];
    const { text } = await http.post('/v1/import', {
      body: Readable.from([Buffer.from(lines.join('\r\n'))]),
    });
    const summary = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as {
      firstBad: { line: number; code: string }[];
    };
    expect(summary).toMatchObject({
      done: true,
      lines: 11,
      stored: 2,
      expired: 1,
      failed: 6,
      sourceComplete: false,
    });
    expect(summary.firstBad.map(({ line, code }) => `${line} ${code}`)).toEqual([
      '2 bad-request',
      '3 bad-request',
      '4 key-empty',
      '6 value-too-large',
      '9 bad-request',
      '10 bad-request',
    ]);
    expect((await http.get('/v1/kv/e')).text).toBe('2');
  });

  it('tell how far they are while they go on', async () => {
    const line = (i: number): string => `{"key":"k${i}","value":"${i}"}\n`;
    const pieces = Array.from({ length: 25 }, (_, p) =>
      Array.from({ length: 1000 }, (_, i) => line(p * 1000 + i)).join(''),
    );
    const { text } = await http.post('/v1/import', {
      body: Readable.from(pieces.map((piece) => Buffer.from(piece))),
    });
    const reports = text
      .trimEnd()
      .split('\n')
      .map((report) => JSON.parse(report) as { done: boolean; lines: number });
    expect(reports.length).toBeGreaterThanOrEqual(2);
    expect(reports.at(-1)).toMatchObject({ done: true, lines: 25_000, stored: 25_000 });
    expect((await http.get('/v1/kv?prefix=k2499&keysOnly')).json()).toMatchObject({ items: { length: 11 } });
  });
});

describe('the API document', () => {
  it('is OpenAPI 3.1 and names every route', async () => {
    const document = (await http.get('/openapi.json')).json() as {
      openapi: string;
      paths: Record<string, Record<string, { summary?: string }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    for (const [path, methods] of [
      ['/v1/kv', ['get', 'put', 'delete']],
      ['/v1/kv/{key}', ['get', 'put', 'delete']],
      ['/v1/batch', ['post']],
      ['/v1/txn', ['post']],
      ['/v1/import', ['post']],
      ['/v1/export', ['get']],
      ['/put/{key}/{value}', ['put', 'get']],
      ['/get/{key}', ['get']],
    ] as const) {
      for (const method of methods) expect(document.paths[path]?.[method]?.summary).toMatch(/\w/);
    }
  });

  it('can be browsed with what this worker serves', async () => {
    const page = await http.get('/docs');
    const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
    expect(sources.length).toBeGreaterThan(2);
    for (const source of sources) expect((await http.get(source)).status).toBe(200);
    expect(sources.every((source) => source.startsWith('/'))).toBe(true);
    expect((await http.get('/docs/package.json')).status).toBe(404);
    expect((await http.get('/docs/..%2Fpackage.json')).status).toBe(404);
  });
});
