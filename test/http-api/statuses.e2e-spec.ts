/**
 * Every status that the HTTP API documents, asked of a real cluster through a worker that does not hold the key where
 * that makes a difference. Statuses of a fault come from that fault: frozen processes, a full disk, a crowd of bodies.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, type App, type HttpClient, useSandbox } from '@diststore/testing';

import { expectProblem } from '../e2e/problem.js';

const MIB = 1024 * 1024;
const MAX_VALUE_BYTES = MIB;
const BODY_BYTES_IN_FLIGHT_MAX = 256 * MIB;
const WORKERS = [1, 2, 3];

const sandbox = useSandbox('all');
const seen = new Set<number>();

interface Cluster {
  readonly workers: readonly App[];
  /** A worker that does not hold the key, if there is one. */
  readonly far: (key: string) => Promise<HttpClient>;
  /** The worker that decides about the key. */
  readonly primaryOf: (key: string) => Promise<App>;
}

async function startWorkers(name: string, flags: readonly string[]): Promise<Cluster> {
  const box = sandbox();
  const dataDir = box.path(name);
  const master = await box.startMaster({ dataDir, flags: ['--bootstrap-expect=3', ...flags] });
  const workers = await Promise.all(
    WORKERS.map((index) =>
      box.startWorker({
        ...{ index, port: master.port + index, masterUrl: master.url, dataDir },
        flags: [`--max-value-bytes=${MAX_VALUE_BYTES}`, '--redis-port=0', '--redis-gateway-port=0'],
      }),
    ),
  );
  const [first] = workers as [App];
  await box.eventually('the cluster is formed', async () => {
    const { health, formed } = (await first.http.get('/v1/cluster')).json() as {
      health: { unserved: number };
      formed: boolean;
    };
    return formed && health.unserved === 0;
  });
  const holders = async (key: string): Promise<number[]> =>
    ((await first.http.get(`/v1/explain/${key}`)).json() as { replicas: number[] }).replicas;
  return {
    workers,
    far: async (key) => {
      const held = await holders(key);
      const index = WORKERS.find((other) => !held.includes(other)) ?? held.at(-1) ?? 1;
      return (workers[index - 1] as App).http;
    },
    primaryOf: async (key) => workers[((await holders(key))[0] ?? 1) - 1] as App,
  };
}

/** Remembers the status: the last test compares what was seen with what is documented. */
function saw(answer: Answer): Answer {
  seen.add(answer.status);
  return answer;
}

function sawProblem(answer: Answer, expected: { status: number; code: string }): Record<string, unknown> {
  return expectProblem(saw(answer), expected);
}

describe('on a cluster of three replicas', () => {
  let cluster: Cluster;
  let http: HttpClient;

  beforeAll(async () => {
    cluster = await startWorkers('three-replicas', ['--replication-factor=3']);
    http = await cluster.far('a');
  });

  afterAll(async () => {
    await Promise.all(cluster.workers.map(({ process }) => process.kill()));
  });

  it('201, 200 and 204: created, replaced, without a receipt', async () => {
    expect(saw(await http.put('/v1/kv/a', '0123456789')).status).toBe(201);
    expect(saw(await http.put('/v1/kv/a', '0123456789')).status).toBe(200);
    const minimal = await http.put('/v1/kv/a', '0123456789', { headers: { prefer: 'return=minimal' } });
    expect([saw(minimal).status, minimal.text]).toEqual([204, '']);
  });

  it('206, 304 and 416: a part, nothing new, no such part', async () => {
    const part = await http.get('/v1/kv/a', { headers: { range: 'bytes=2-3' } });
    expect([saw(part).status, part.text]).toEqual([206, '23']);
    const etag = String(part.headers.etag);
    expect(saw(await http.get('/v1/kv/a', { headers: { 'if-none-match': etag } })).status).toBe(304);
    const beyond = await http.get('/v1/kv/a', { headers: { range: 'bytes=10-' } });
    sawProblem(beyond, { status: 416, code: 'range-not-satisfiable' });
    expect(beyond.headers['content-range']).toBe('bytes */10');
  });

  it('404, 405 and 400: no value, no such method, a malformed header', async () => {
    sawProblem(await http.get('/v1/kv/none'), { status: 404, code: 'key-not-found' });
    const wrong = await http.send('PATCH', '/v1/kv/a', { body: 'x' });
    sawProblem(wrong, { status: 405, code: 'method-not-allowed' });
    expect(wrong.headers.allow).toContain('PUT');
    sawProblem(await http.put('/v1/kv/a', 'x', { headers: { 'if-match': 'x' } }), {
      status: 400,
      code: 'bad-request',
    });
  });

  it('409, 412 and 422: no number, a condition that does not hold, two slots, a name used for something else', async () => {
    sawProblem(await http.post('/v1/kv/a/append', { body: 'x', headers: { 'if-match': '"1"' } }), {
      status: 412,
      code: 'precondition-failed',
    });
    await http.put('/v1/kv/text', 'x');
    sawProblem(await http.post('/v1/kv/text/incr'), { status: 409, code: 'not-an-integer' });
    const twoSlots = { then: ['a', 'b'].map((key) => ({ op: 'delete', key })) };
    sawProblem(await http.post('/v1/txn', { body: JSON.stringify(twoSlots) }), {
      status: 422,
      code: 'cross-slot',
    });
    const headers = { 'idempotency-key': 'one' };
    await http.put('/v1/kv/once', '1', { headers });
    sawProblem(await http.put('/v1/kv/once', '2', { headers }), { status: 422, code: 'request-id-reused' });
  });

  it('415 for a body with a Content-Encoding, on every route that takes one', async () => {
    const headers = { 'content-encoding': 'gzip' };
    const body = Buffer.from('1f8b', 'hex');
    for (const [method, target] of [
      ['PUT', '/put/a'],
      ['PUT', '/v1/kv/a'],
      ['POST', '/v1/kv/a/append'],
      ['POST', '/v1/batch'],
      ['POST', '/v1/txn'],
      ['POST', '/v1/import'],
    ] as const) {
      const answer = await http.send(method, target, { headers, body });
      sawProblem(answer, { status: 415, code: 'unsupported-content-encoding' });
      expect(answer.headers['accept-encoding']).toBe('identity');
    }
    expect(
      (await http.put('/v1/kv/plain', 'x', { headers: { 'content-encoding': 'identity' } })).status,
    ).toBe(201);
  });

  it('413, 414 and 431 name the limit', async () => {
    const large = await http.put('/v1/kv/a', Buffer.alloc(MAX_VALUE_BYTES + 1));
    expect(sawProblem(large, { status: 413, code: 'value-too-large' })).toMatchObject({
      limitBytes: MAX_VALUE_BYTES,
      setting: 'maxValueBytes',
    });
    const long = await http.put(`/v1/kv/${'k'.repeat(1025)}`, 'x');
    expect(sawProblem(long, { status: 414, code: 'key-too-long' })).toMatchObject({ limitBytes: 1024 });
    const headers = { 'x-large': 'x'.repeat(20_000) };
    const heavy = await http.get('/v1/kv/a', { headers });
    expect(sawProblem(heavy, { status: 431, code: 'headers-too-large' })['remedy']).toContain(
      'maxHeaderBytes',
    );
  });

  it('429 with Retry-After: more bodies at once than a worker holds', async () => {
    const worker = cluster.workers[0] as App;
    const head = `PUT /v1/kv/slow HTTP/1.1\r\nHost: x\r\nContent-Length: ${MAX_VALUE_BYTES}\r\n\r\n`;
    const slow: Socket[] = [];
    const announce = async (): Promise<void> => {
      const socket = connect(worker.port, '127.0.0.1');
      slow.push(socket);
      socket.on('error', () => undefined);
      await new Promise<void>((resolve) => socket.write(head, () => resolve()));
    };
    try {
      for (let i = 1; i < BODY_BYTES_IN_FLIGHT_MAX / MAX_VALUE_BYTES; i += 1) await announce();
      const refused = await sandbox().eventually('the worker holds no more', async () => {
        await announce();
        const answer = await worker.http.put('/v1/kv/more', Buffer.alloc(MAX_VALUE_BYTES));
        return answer.status === 429 && answer;
      });
      const problem = sawProblem(refused, { status: 429, code: 'too-many-requests' });
      expect(problem).toMatchObject({ retryable: true, limitBytes: BODY_BYTES_IN_FLIGHT_MAX });
      expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    } finally {
      for (const socket of slow) socket.destroy();
    }
    await sandbox().eventually('there is room again', async () => {
      return (await worker.http.put('/v1/kv/more', Buffer.alloc(MAX_VALUE_BYTES))).status < 300;
    });
  });
});

describe('on a cluster of one replica, whose worker', () => {
  let cluster: Cluster;
  let primary: App;
  let http: HttpClient;

  beforeAll(async () => {
    cluster = await startWorkers('one-replica', ['--replication-factor=1']);
    primary = await cluster.primaryOf('n');
    http = await cluster.far('n');
    expect((await http.put('/v1/kv/n', '1')).status).toBe(201);
  });

  it('stands still: 503 with Retry-After for a read, 504 for a write, which a repetition settles', async () => {
    const headers = { 'idempotency-key': 'settled' };
    primary.process.signal('SIGSTOP');
    try {
      const [write, read] = await Promise.all([
        http.post('/v1/kv/n/incr', { headers, timeoutMs: 60_000 }),
        http.get('/v1/kv/n', { timeoutMs: 60_000 }),
      ]);
      const unknown = sawProblem(write, { status: 504, code: 'outcome-unknown' });
      expect(unknown['remedy']).toContain('Idempotency-Key');
      sawProblem(read, { status: 503, code: 'retry-later' });
      expect(read.headers['retry-after']).toBe('1');
    } finally {
      primary.process.signal('SIGCONT');
    }
    const settled = await sandbox().eventually('the repetition is answered', async () => {
      const answer = await http.post('/v1/kv/n/incr', { headers });
      return answer.status === 200 && answer;
    });
    expect(settled.json()).toMatchObject({ value: 2 });
    expect((await http.get('/v1/kv/n')).text).toBe('2');
  });

  it('has no disk space left: 507 for a new value; reads and deletes go on', async () => {
    await primary.process.stop();
    primary = await sandbox().startAgain(primary, [`--disk-reserve-bytes=${Number.MAX_SAFE_INTEGER}`]);
    const refused = await sandbox().eventually('it leads again', async () => {
      const answer = await http.put('/v1/kv/n', '3');
      return answer.status !== 503 && answer;
    });
    expect(sawProblem(refused, { status: 507, code: 'disk-full' })['remedy']).toMatch(/\w/);
    expect((await http.get('/v1/kv/n')).text).toBe('2');
    expect((await http.delete('/v1/kv/n')).status).toBe(200);
  });
});

it('docs/http.md lists these statuses', () => {
  const text = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');
  const table = /## Statuses\n([^]*?)\n\n[A-Z]/.exec(text)?.[1] ?? '';
  const documented = [...table.matchAll(/^\| ([\d, ]+)\|/gm)].flatMap(([, codes]) =>
    (codes ?? '').split(',').map(Number),
  );
  expect([...seen].sort()).toEqual(documented.sort());
});
