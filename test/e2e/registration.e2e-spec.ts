/** Who may act as which worker: one process for each index, no disk that forgot, no worker of another cluster. */
import { cp, rm } from 'node:fs/promises';

import { expect, it } from '@jest/globals';
import { type App, useSandbox } from '@diststore/testing';

import { identityOf, untilState, workerOf } from './cluster-views.js';

const sandbox = useSandbox('each');

/** The exit code is an interface: written out here, not imported. */
const REFUSED = 77;

const TIMING = ['--heartbeat-ms=100', '--silent-after-ms=1000'];

async function startMaster(dataDir = sandbox().dataDir): Promise<App> {
  return sandbox().startMaster({ dataDir, flags: TIMING });
}

async function startWorker(master: App, dataDir = sandbox().dataDir): Promise<App> {
  const worker = await sandbox().startWorker({ masterUrl: master.url, dataDir });
  await worker.process.untilPrints(/Registered with the master/);
  return worker;
}

async function expectRefused(worker: App, reason: RegExp): Promise<void> {
  expect(await worker.process.untilExit()).toEqual({ code: REFUSED, signal: null });
  expect(worker.process.output).toMatch(reason);
}

it('two processes with one index: the second is refused, and let in when the first is gone', async () => {
  const master = await startMaster();
  const first = await startWorker(master);
  const second = await sandbox().startWorker({ masterUrl: master.url, dataDir: sandbox().path('other') });
  await second.process.untilPrints(/refused: another process is worker 1/);
  expect((await identityOf(second.http)).master).toMatchObject({
    state: 'searching',
    reason: expect.stringContaining('another process is worker 1'),
  });
  expect(await workerOf(master, 1)).toMatchObject({ pid: first.process.pid, state: 'serving' });
  await first.process.kill();
  await second.process.untilPrints(/Registered with the master/);
  expect(await workerOf(master, 1)).toMatchObject({ pid: second.process.pid });
});

it('the same process may register again, as often as the master forgets it', async () => {
  const master = await startMaster();
  const worker = await startWorker(master);
  const { storeId, boot } = await identityOf(worker.http);
  await master.process.kill();
  const again = await sandbox().startAgain(master);
  expect(await untilState(sandbox(), { master: again, index: 1, state: 'serving' })).toMatchObject({
    pid: worker.process.pid,
    storeId,
    boot,
  });
});

it('a worker of another cluster is refused for good', async () => {
  const [ours, theirs] = [await startMaster(), await startMaster(sandbox().path('theirs'))];
  const worker = await startWorker(ours);
  await worker.process.stop();
  const stray = await sandbox().launchWorker({ masterUrl: theirs.url });
  await expectRefused(stray, /refused.*its store belongs to cluster [0-9a-f]{32}, this is [0-9a-f]{32}/);
  expect(await workerOf(theirs, 1)).toBeUndefined();
  await startWorker(ours);
});

it('a store that stood alone is refused', async () => {
  const master = await startMaster();
  const alone = await sandbox().startWorker();
  await alone.http.put('/put/A/1');
  await alone.process.stop();
  const worker = await sandbox().launchWorker({ masterUrl: master.url });
  await expectRefused(worker, /refused|stood alone|standalone/i);
});

it('a data directory that was rolled back to an older copy is refused, however often it is started', async () => {
  const master = await startMaster();
  const folder = sandbox().path('data/worker-1');
  const copy = sandbox().path('copy');
  let worker = await startWorker(master);
  await worker.http.put('/put/A/old');
  await worker.process.stop();
  await cp(folder, copy, { recursive: true });

  worker = await sandbox().startAgain(worker);
  await worker.process.untilPrints(/Registered with the master/);
  expect((await worker.http.put('/put/A/new')).status).toBe(200);
  await worker.process.stop();

  await rm(folder, { recursive: true });
  await cp(copy, folder, { recursive: true });
  // Every start raises the boot counter, beyond the one that the master knows.
  for (let starts = 0; starts < 3; starts += 1)
    await expectRefused(await sandbox().launchAgain(worker), /refused.*its disk is an older copy/);
});

it('two masters on one data directory: the second names the first and ends', async () => {
  const first = await startMaster();
  const second = await sandbox().launchMaster();
  expect(await second.process.untilExit()).toEqual({ code: 11, signal: null });
  expect(second.process.output).toContain(`is open in the master (process ${first.process.pid}`);
});
