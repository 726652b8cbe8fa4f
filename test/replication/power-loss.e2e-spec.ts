/**
 * The power of the whole cluster fails under load: master and workers are killed with -9 at one moment, and of each
 * store the test takes away what was written and not synced: the log is cut somewhere behind the bytes that were there
 * when the last fsync came back (power-loss.ts). After the restart everything is there that was acknowledged.
 *
 * What it can show: that no answer to a client, and nothing that a replica told another one, rests on a batch that was
 * not synced yet; that every batch is synced; that a cut log opens. What it cannot: that the disk keeps what it said it
 * has synced, and what LevelDB does with its tables and its manifest, which are left as they are. A page that was
 * written back early is allowed for: the cut leaves any part of what was not synced.
 */
import { performance } from 'node:perf_hooks';

import { expect, it } from '@jest/globals';
import { type App, History, SeededRandom, useSandbox, Workload } from '@diststore/testing';

import { known, untilWhole } from './cluster.js';
import { losePower, type WatchedStore, watching } from './power-loss.js';

const sandbox = useSandbox('all');

const ROUNDS_MIN = 3;
/** A kill between two batches leaves nothing to cut: another round then. */
const ROUNDS_MAX = 10;
const REPLICAS = 3;
const WRITES_PER_ROUND = 200;
const WORKERS = [1, 2, 3];
const SEED = Number(process.env['POWER_SEED'] ?? Date.now() % 1_000_000);

it('keeps everything that was acknowledged when the power of all machines fails under load', async () => {
  const random = new SeededRandom(SEED);
  const stores = new Map<App, WatchedStore>();
  let master = await sandbox().startMaster({
    flags: ['--timing=fast', '--bootstrap-expect=3', '--partitions=12', `--replication-factor=${REPLICAS}`],
    env: watching(storeOf('master')),
  });
  stores.set(master, storeOf('master'));
  let workers = await Promise.all(
    WORKERS.map(async (index) => {
      const store = storeOf(`worker-${index}`);
      // A small memory table, so that logs rotate.
      const flags = ['--write-buffer-bytes=1048576'];
      const app = await sandbox().startWorker({ index, masterUrl: master.url, flags, env: watching(store) });
      stores.set(app, store);
      return app;
    }),
  );
  await untilWhole(sandbox(), master, REPLICAS);

  const history = new History();
  const workload = new Workload({
    ...{ history, clients: 24, keys: 24, pauseMs: 1, timeoutMs: 20_000 },
    endpoints: workers.map(({ http }, i) => ({ worker: i + 1, http })),
    random,
    nowMs: () => performance.now(),
  });
  const load = workload.run();
  const total = { unsynced: 0, lost: 0 };
  try {
    for (let round = 0; round < ROUNDS_MIN || total.lost === 0; round += 1) {
      if (round === ROUNDS_MAX) throw new Error(`In ${round} rounds nothing was left to cut.`);
      const before = history.acknowledgedWrites;
      await sandbox().eventually('there is load', () => {
        return history.acknowledgedWrites >= before + WRITES_PER_ROUND;
      });
      const all = [master, ...workers];
      for (const app of all) app.process.signal('SIGKILL');
      for (const app of all) {
        await app.process.untilExit();
        const { unsynced, lost } = await losePower(known(stores.get(app)), random);
        total.unsynced += unsynced;
        total.lost += lost;
      }
      const again = await Promise.all(all.map((app) => sandbox().startAgain(app)));
      again.forEach((app, i) => stores.set(app, known(stores.get(known(all[i])))));
      master = known(again[0]);
      workers = again.slice(1);
      await untilWhole(sandbox(), master, REPLICAS);
    }
  } finally {
    workload.stop();
    await load;
  }
  await workload.readBack();
  expect({ seed: SEED, violations: history.violations() }).toEqual({ seed: SEED, violations: [] });
  expect(total.lost).toBeGreaterThan(0);
}, 300_000);

function storeOf(name: string): WatchedStore {
  return {
    database: sandbox().path('data', name, 'db'),
    witness: sandbox().path(`${name}.synced`),
  };
}
