/** The master as its users see it: what it shows, what it remembers, where it sends data requests, how it stops. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

import { describe, expect, it } from '@jest/globals';
import { type App, RawConnection, useSandbox } from '@diststore/testing';

import { clusterOf, identityOf, untilState, workerOf } from './cluster-views.js';
import { expectProblem } from './problem.js';

const sandbox = useSandbox('each');

/** Quicker than the defaults, and slow enough that a busy machine does not silence anybody. */
const TIMING = ['--heartbeat-ms=100', '--silent-after-ms=1000'];
/** Less than a server waits for requests under way. */
const SOON_MS = 5000;
const HEX_32 = expect.stringMatching(/^[0-9a-f]{32}$/);
const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

async function startPair(): Promise<{ master: App; worker: App }> {
  const master = await sandbox().startMaster({ flags: TIMING });
  const worker = await sandbox().startWorker({ port: master.port + 1, masterUrl: master.url });
  await untilState(sandbox(), { master, index: 1, state: 'serving' });
  await sandbox().eventually('the worker knows its partitions', async () => {
    return (await worker.http.get('/get/A')).status === 404;
  });
  return { master, worker };
}

describe('GET /master', () => {
  it('shows the cluster, with and without a trailing slash, also when it has no worker', async () => {
    const master = await sandbox().startMaster();
    const answers = [await master.http.get('/master'), await master.http.get('/master/')];
    for (const answer of answers) {
      expect([answer.status, answer.headers['content-type']]).toEqual([
        200,
        'application/json; charset=utf-8',
      ]);
      expect(answer.json()).toMatchObject({
        status: 'connected',
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        clusterId: HEX_32,
        mapVersion: expect.any(Number),
        settings: { heartbeatMs: 1000, silentAfterMs: 3000 },
        workers: [],
      });
    }
  });

  it('shows every worker: registration, state, and keys and bytes as they rise', async () => {
    const { master, worker } = await startPair();
    expect(await workerOf(master, 1)).toEqual({
      index: 1,
      urls: {
        http: worker.url,
        redis: `redis://127.0.0.1:${worker.port + 3000}`,
        redisCluster: `redis://127.0.0.1:${worker.port + 2000}`,
      },
      state: 'serving',
      since: ISO_TIME,
      pid: worker.process.pid,
      storeId: HEX_32,
      boot: 1,
      supervised: false,
      keys: 0,
      bytes: 0,
      partitions: { primary: 64, secondary: 0 },
    });
    for (const key of ['a', 'b', 'c']) await worker.http.put(`/put/${key}`, Buffer.alloc(100));
    await sandbox().eventually('the master has heard of three keys', async () => {
      const view = await workerOf(master, 1);
      return view?.keys === 3 && view.bytes === 303;
    });
    await worker.http.delete('/clear');
    await sandbox().eventually('the master has heard of the clear', async () => {
      return (await workerOf(master, 1))?.keys === 0;
    });
  });

  it('remembers the cluster and its workers over kill -9', async () => {
    const { master, worker } = await startPair();
    const before = await clusterOf(master);
    await worker.process.kill();
    await master.process.kill();

    const again = await sandbox().startAgain(master);
    const after = await clusterOf(again);
    expect(after.clusterId).toBe(before.clusterId);
    expect(after.mapVersion).toBeGreaterThanOrEqual(before.mapVersion);
    const { storeId, pid } = before.workers[0] ?? {};
    expect(after.workers).toEqual([expect.objectContaining({ index: 1, storeId, pid, state: 'unheard' })]);
    await sandbox().startAgain(worker);
    expect(await untilState(sandbox(), { master: again, index: 1, state: 'serving' })).toMatchObject({
      storeId,
      boot: 2,
    });
  });
});

describe('states of a worker', () => {
  it('silent when it is not heard from, serving again when it is', async () => {
    const { master, worker } = await startPair();
    worker.process.signal('SIGSTOP');
    await untilState(sandbox(), { master, index: 1, state: 'silent' });
    expectProblem(await master.http.get('/get/A?worker=1'), { status: 503, code: 'retry-later' });
    expectProblem(await master.http.get('/get/A'), { status: 503, code: 'no-worker' });
    worker.process.signal('SIGCONT');
    await untilState(sandbox(), { master, index: 1, state: 'serving' });
    expect((await master.http.get('/get/A')).status).toBe(307);
  });

  it('draining when it says goodbye, and then silent', async () => {
    const { master, worker } = await startPair();
    // Something to wait for, so that the drain lasts.
    const raw = await RawConnection.open(worker.url);
    raw.send('PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n');
    await raw.untilReceived(/100 Continue/);
    worker.process.signal('SIGTERM');
    await untilState(sandbox(), { master, index: 1, state: 'draining' });
    expectProblem(await master.http.get('/get/A?worker=1'), { status: 503, code: 'retry-later' });
    raw.send('x');
    expect(await raw.untilClosed()).toMatch(/HTTP\/1\.1 201/);
    expect((await worker.process.untilExit()).code).toBe(0);
    await untilState(sandbox(), { master, index: 1, state: 'silent' });
  });
});

describe('data routes', () => {
  it('307 to the worker, method and target unchanged', async () => {
    const { master, worker } = await startPair();
    for (const [method, target] of [
      ['GET', '/get/a%2Fb'],
      ['HEAD', '/get/A/'],
      ['PUT', '/put/A/happy?ttl=5'],
      ['PUT', '/put/A'],
      ['DELETE', '/delete/A'],
      ['DELETE', '/clear'],
      ['GET', '/put/A/happy'],
      ['PUT', '/v1/kv/a/b/'],
      ['GET', '/v1/kv?key64=QQ'],
    ] as const) {
      const answer = await master.http.send(method, target);
      expect([answer.status, answer.headers.location]).toEqual([307, `${worker.url}${target}`]);
    }
  });

  it('?worker= names one, which has to exist and serve', async () => {
    const { master, worker } = await startPair();
    expect((await master.http.get('/get/A?worker=1')).headers.location).toBe(`${worker.url}/get/A?worker=1`);
    expectProblem(await master.http.get('/get/A?worker=2'), { status: 404, code: 'worker-not-found' });
    for (const text of ['0', 'one', '1000', '']) {
      expectProblem(await master.http.get(`/get/A?worker=${text}`), {
        status: 400,
        code: 'bad-worker-index',
      });
    }
  });

  it('without a worker: 503', async () => {
    const { http } = await sandbox().startMaster();
    const answer = await http.put('/put/A/happy');
    expect(expectProblem(answer, { status: 503, code: 'no-worker' })['retryable']).toBe(true);
    expect(answer.headers['retry-after']).toBe('1');
  });

  it('curl -L arrives with method and body', async () => {
    const { master, worker } = await startPair();
    const value = randomBytes(300_000);
    const [sent, received] = [sandbox().path('sent'), sandbox().path('received')];
    await writeFile(sent, value);
    const curl = (...args: string[]): Promise<{ stdout: string }> =>
      promisify(execFile)('curl', ['-sS', '-L', '--fail', ...args]);
    const { stdout } = await curl('-X', 'PUT', '--data-binary', `@${sent}`, `${master.url}/put/A`);
    expect(JSON.parse(stdout)).toMatchObject({ key: 'A', version: 1, replicas: [1] });
    expect((await worker.http.get('/get/A')).body.equals(value)).toBe(true);
    await curl('-o', received, `${master.url}/get/A`);
    await curl('-X', 'DELETE', `${master.url}/delete/A`);
    expect((await worker.http.get('/get/A')).status).toBe(404);
  });
});

describe('stopping', () => {
  it('POST /v1/cluster/stop stops the workers that it started, and then itself, with exit code 0', async () => {
    const master = await sandbox().startMaster({ flags: ['--workers=2'] });
    await master.process.untilPrints(/Stop with Ctrl-C/);
    const urls = (await clusterOf(master)).workers.map(({ urls }) => urls.http);
    expect(urls).toHaveLength(2);
    const answer = await master.http.post('/v1/cluster/stop');
    expect([answer.status, answer.json()]).toEqual([202, { stopping: true }]);
    expect(await master.process.untilExit()).toEqual({ code: 0, signal: null });
    expect(await sandbox().pids()).toEqual([]);
    expect(master.process.output.match(/^\[worker \d\].*Stopped$/gm)).toHaveLength(2);
  });

  it('SIGTERM does not wait for workers that wait for news', async () => {
    const { master } = await startPair();
    expect((await master.process.stop(SOON_MS)).code).toBe(0);
  });

  it('SIGTERM leaves the workers running, which go on serving; with --stop-workers it stops them', async () => {
    const master = await sandbox().startMaster({ flags: ['--workers=1'] });
    await master.process.untilPrints(/Stop with Ctrl-C/);
    const worker = sandbox().client(`http://127.0.0.1:${master.port + 1}`);
    await worker.put('/put/A/happy');
    const { pid } = await identityOf(worker);
    expect((await master.process.stop()).code).toBe(0);
    expect(await sandbox().pids()).toEqual([pid]);
    expect((await worker.get('/get/A')).text).toBe('happy');

    const again = await sandbox().startAgain(master, ['--stop-workers']);
    await again.process.untilPrints(/Stop with Ctrl-C/);
    expect(again.process.output).toContain(`Adopted worker 1, process ${pid}`);
    expect((await again.process.stop()).code).toBe(0);
    expect(await sandbox().pids()).toEqual([]);
  });
});
