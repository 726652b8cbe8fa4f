/** Workers that the master creates: once each, with clear refusals, kept running, and adopted by the next master. */
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';

import { describe, expect, it } from '@jest/globals';
import { type App, type HttpClient, useSandbox } from '@diststore/testing';

import { identityOf, untilState, workerOf, type WorkerView } from './cluster-views.js';
import { expectProblem } from './problem.js';

const sandbox = useSandbox('each');

const TIMING = ['--heartbeat-ms=100', '--silent-after-ms=1000'];

async function startMaster(...flags: string[]): Promise<App> {
  return sandbox().startMaster({ flags: [...TIMING, ...flags] });
}

async function create(master: App, index = 1): Promise<{ view: WorkerView; http: HttpClient }> {
  const answer = await master.http.get(`/worker/${index}`);
  expect(answer.status).toBe(201);
  const view = answer.json() as WorkerView;
  return { view, http: sandbox().client(view.urls.http) };
}

describe('GET /worker/<idx>', () => {
  it('creates the worker: 201; it runs: 200; through a worker as well', async () => {
    const master = await startMaster();
    const { view, http } = await create(master);
    expect(view).toMatchObject({ index: 1, state: 'serving', boot: 1, supervised: true });
    expect(view.urls.http).toBe(`http://127.0.0.1:${master.port + 1}`);
    expect((await http.put('/put/A/happy')).status).toBe(201);
    for (const target of ['/worker/1', '/worker/1/']) {
      const again = await master.http.get(target);
      expect([again.status, (again.json() as WorkerView).pid]).toEqual([200, view.pid]);
    }
    const second = await http.get('/worker/2');
    expect([second.status, (second.json() as WorkerView).index]).toEqual([201, 2]);
    expect((await http.get('/worker/2/')).status).toBe(200);
    expect(await sandbox().pids()).toHaveLength(3);
    // Output goes to a file, and from there to the master's own.
    expect(await readFile(sandbox().path('data/worker-1/worker.log'), 'utf8')).toMatch(/Worker 1 serves at/);
    await master.process.untilPrints(/^\[worker 2\] .*Worker 2 serves at/m);
  });

  it('calls at the same time create it once', async () => {
    const master = await startMaster();
    const answers = await Promise.all(Array.from({ length: 10 }, () => master.http.get('/worker/1')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map((answer) => (answer.json() as WorkerView).pid)).size).toBe(1);
    expect(await sandbox().pids()).toHaveLength(2);
    expect(master.process.output.match(/Started worker 1/g)).toHaveLength(1);
  });

  it('a worker that was started by hand is not started again', async () => {
    const master = await startMaster();
    const worker = await sandbox().startWorker({ masterUrl: master.url });
    await untilState(sandbox(), { master, index: 1, state: 'serving' });
    const answer = await master.http.get('/worker/1');
    expect([answer.status, answer.json()]).toEqual([
      200,
      expect.objectContaining({ pid: worker.process.pid, supervised: false }),
    ]);
  });

  it('400: an index that is none', async () => {
    const { http } = await startMaster();
    for (const index of ['0', '1000', '-1', '1.5', '01', 'one', '%20', '1e1', '99999999999999999999']) {
      expectProblem(await http.get(`/worker/${index}`), { status: 400, code: 'bad-worker-index' });
    }
  });

  it('409: its port is taken; when it is free again, 201', async () => {
    const master = await startMaster();
    const other = createServer().listen(master.port + 1, '127.0.0.1');
    await once(other, 'listening');
    const problem = expectProblem(await master.http.get('/worker/1'), {
      status: 409,
      code: 'address-in-use',
    });
    expect(problem['detail']).toMatch(/port of worker 1 is taken/);
    expect(problem['lastLogLines']).toEqual([expect.stringMatching(`Port ${master.port + 1} .* is taken`)]);
    other.close();
    await once(other, 'close');
    await create(master);
  });

  it('409: its data directory is open in another process', async () => {
    const master = await startMaster();
    const holder = await sandbox().startWorker();
    const problem = expectProblem(await master.http.get('/worker/1'), {
      status: 409,
      code: 'address-in-use',
    });
    expect(problem['detail']).toMatch(/data directory of worker 1 is open/);
    expect(String(problem['lastLogLines'])).toContain(`worker 1 (process ${holder.process.pid}`);
    expect((await holder.http.get('/livez')).status).toBe(200);
  });

  it('504 with the last log lines: it cannot come up', async () => {
    const master = await startMaster();
    await mkdir(sandbox().path('data/worker-1'), { recursive: true });
    await writeFile(sandbox().path('data/worker-1/db'), 'no folder');
    const problem = expectProblem(await master.http.get('/worker/1'), {
      status: 504,
      code: 'worker-start-timeout',
    });
    expect(problem['detail']).toMatch(/ended before it served, with exit code 13/);
    expect(String(problem['lastLogLines'])).toMatch(/data directory .*worker-1 cannot be used/);
    expect(await sandbox().pids()).toEqual([master.process.pid]);
  });

  it('504: its folder cannot even hold a log', async () => {
    const master = await startMaster();
    await writeFile(sandbox().path('data/worker-1'), 'no folder');
    expectProblem(await master.http.get('/worker/1'), { status: 504, code: 'worker-start-timeout' });
    expect((await master.http.get('/livez')).status).toBe(200);
  });

  it('504: it takes too long; it is stopped, and not tried again by itself', async () => {
    const master = await startMaster('--worker-start-timeout-ms=100');
    const problem = expectProblem(await master.http.get('/worker/1'), {
      status: 504,
      code: 'worker-start-timeout',
    });
    expect(problem).toMatchObject({ retryable: true, detail: 'Worker 1 did not serve within 100 ms.' });
    expect(await sandbox().pids()).toEqual([master.process.pid]);
  });
});

describe('supervision', () => {
  it('a worker that is killed is started again, and serves what it held', async () => {
    const master = await startMaster();
    const { view, http } = await create(master);
    await http.put('/put/A/happy');
    process.kill(view.pid, 'SIGKILL');
    await master.process.untilPrints(/Worker 1 ended.*starting it again in 250 ms/);
    const back = await sandbox().eventually('worker 1 is back', async () => {
      const now = await workerOf(master, 1);
      return now?.state === 'serving' && now.pid !== view.pid && now;
    });
    expect(back).toMatchObject({ storeId: view.storeId, boot: 2, supervised: true });
    expect((await http.get('/get/A')).text).toBe('happy');
    expect(await sandbox().pids()).toHaveLength(2);
  });

  it('asked for while it is down, it comes at once and once', async () => {
    const master = await startMaster();
    const { view } = await create(master);
    process.kill(view.pid, 'SIGKILL');
    await master.process.untilPrints(/Worker 1 ended/);
    const again = await create(master);
    expect(again.view.pid).not.toBe(view.pid);
    await sandbox().eventually('it is the only one', async () => (await sandbox().pids()).length === 2);
    expect((await identityOf(again.http)).pid).toBe(again.view.pid);
  });

  it('the master is killed: workers go on; the next master adopts them, and supervises them as before', async () => {
    const master = await startMaster();
    const { view, http } = await create(master);
    await http.put('/put/A/happy');
    await master.process.kill();
    expect((await http.get('/get/A')).text).toBe('happy');
    expect((await http.put('/put/B/too')).status).toBe(201);

    const next = await sandbox().startAgain(master);
    await next.process.untilPrints(/Adopted worker 1/);
    expect(await untilState(sandbox(), { master: next, index: 1, state: 'serving' })).toMatchObject({
      pid: view.pid,
      boot: 1,
    });
    const same = await next.http.get('/worker/1');
    expect([same.status, (same.json() as WorkerView).pid]).toEqual([200, view.pid]);
    expect((await sandbox().pids()).sort()).toEqual([next.process.pid, view.pid].sort());

    process.kill(view.pid, 'SIGKILL');
    await sandbox().eventually('the adopted worker was started again', async () => {
      const now = await workerOf(next, 1);
      return now?.state === 'serving' && now.pid !== view.pid;
    });
    expect((await http.get('/get/B')).text).toBe('too');
  });

  it('a worker that died while there was no master is started by the next one', async () => {
    const master = await startMaster();
    const { view, http } = await create(master);
    await http.put('/put/A/happy');
    await master.process.kill();
    process.kill(view.pid, 'SIGKILL');
    await sandbox().eventually('both are gone', async () => (await sandbox().pids()).length === 0);
    const next = await sandbox().startAgain(master);
    await untilState(sandbox(), { master: next, index: 1, state: 'serving' });
    expect((await http.get('/get/A')).text).toBe('happy');
  });

  it('a worker that stood still while the next master started is taken back when it moves', async () => {
    const master = await startMaster();
    const { view, http } = await create(master);
    await http.put('/put/A/happy');
    await master.process.kill();
    process.kill(view.pid, 'SIGSTOP');
    const next = await sandbox().startAgain(master);
    // It holds the data, so the one that is started in its place cannot.
    await next.process.untilPrints(/Worker 1 ended with exit code 11/);
    process.kill(view.pid, 'SIGCONT');
    expect(await untilState(sandbox(), { master: next, index: 1, state: 'serving' })).toMatchObject({
      pid: view.pid,
    });
    expect((await http.get('/get/A')).text).toBe('happy');
    await next.process.untilPrints(/Adopted worker 1/);
    process.kill(view.pid, 'SIGKILL');
    await sandbox().eventually('it was started again', async () => {
      const now = await workerOf(next, 1);
      return now?.state === 'serving' && now.pid !== view.pid;
    });
  });
});
