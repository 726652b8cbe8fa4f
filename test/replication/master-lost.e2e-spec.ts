/**
 * The master's directory is lost, with nothing to restore it from. The workers go on without it; a new master with an
 * empty directory that is told which cluster to take over rebuilds its data from what they report, and does not act
 * before it has heard of every partition. A new master that is told nothing forms a cluster of its own, which does the
 * workers no harm.
 */
import { rm } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

import { expect, it } from '@jest/globals';
import { type App, History, SeededRandom, useSandbox, Workload } from '@diststore/testing';

import { fill, known, NOTICING_SOON, untilWhole } from './cluster.js';

const sandbox = useSandbox('all');

const REPLICAS = 3;
const WORKERS = [1, 2, 3, 4];
const KEYS = 50;
/** The usual fixed port, so that the next master is found where the last one was. */
const FLAGS = [...NOTICING_SOON, '--partitions=16', `--replication-factor=${REPLICAS}`];

interface ClusterView {
  readonly clusterId: string;
  readonly formed: boolean;
  readonly manager: {
    readonly state: string;
    readonly generation: number;
    readonly alarm: { readonly awaiting: readonly number[]; readonly unreported: number } | null;
  };
}

it('takes over a cluster of which nothing is left but the workers, under load', async () => {
  const first = await sandbox().startMaster({ flags: [...FLAGS, '--bootstrap-expect=4'] });
  const { port } = first;
  let workers = await Promise.all(
    WORKERS.map((index) => sandbox().startWorker({ index, masterUrl: first.url })),
  );
  await untilWhole(sandbox(), first, REPLICAS);
  await fill(known(workers[0]).http, { keys: KEYS });
  const history = new History();
  const workload = new Workload({
    ...{ history, clients: 8, keys: 16, pauseMs: 10, timeoutMs: 20_000, retryForMs: 30_000 },
    endpoints: workers.map(({ http }, i) => ({ worker: i + 1, http })),
    random: new SeededRandom(1),
    nowMs: () => performance.now(),
  });
  const load = workload.run();
  let master: App;
  try {
    const { clusterId } = await clusterOf(first);
    await first.process.kill();
    await rm(sandbox().path('data/master'), { recursive: true });

    // Somebody starts it as always.
    const stranger = await sandbox().startMaster({ port, flags: FLAGS });
    for (const worker of workers)
      await worker.process.untilPrints(
        new RegExp(`belongs to cluster ${clusterId}.*--cluster-id=${clusterId}`),
      );
    expect((await clusterOf(stranger)).formed).toBe(false);
    await stranger.process.stop();

    // The directory is that other cluster's now.
    const refused = await sandbox().launchMaster({ port, flags: [...FLAGS, `--cluster-id=${clusterId}`] });
    expect((await refused.process.untilExit()).code).not.toBe(0);
    expect(refused.process.output).toMatch(/another --data-dir/);
    await rm(sandbox().path('data/master'), { recursive: true });

    // One worker is away, and nothing is decided without it.
    await known(workers[3]).process.kill();
    master = await sandbox().startMaster({ port, flags: [...FLAGS, `--cluster-id=${clusterId}`] });
    await sandbox().eventually('all but one have answered', async () => {
      const { alarm } = (await clusterOf(master)).manager;
      return alarm?.awaiting.join() === '4' && alarm.unreported === 0;
    });
    expect(await clusterOf(master)).toMatchObject({ clusterId, formed: false, manager: { state: 'frozen' } });
    const before = history.acknowledgedWrites;
    workers = [...workers.slice(0, 3), await sandbox().startAgain(known(workers[3]))];
    await sandbox().eventually(
      'it serves',
      async () => (await clusterOf(master)).manager.state === 'serving',
    );
    await untilWhole(sandbox(), master, REPLICAS);
    // Noted by the pass that finds no partition missing, which may come behind the last replica.
    await sandbox().eventually('it is formed', async () => (await clusterOf(master)).formed);
    expect(await clusterOf(master)).toMatchObject({ clusterId, manager: { generation: 2 } });
    await sandbox().eventually('there is load', () => history.acknowledgedWrites > before + 100);

    // It is a master like any other: somebody dies, and others take over.
    await known(workers[0]).process.kill();
    workers[0] = await sandbox().startAgain(known(workers[0]));
    await untilWhole(sandbox(), master, REPLICAS);
  } finally {
    workload.stop();
    await load;
  }
  await workload.readBack();
  expect(history.violations()).toEqual([]);
  for (let i = 0; i < KEYS; i += 1) {
    const { status, text } = await known(workers[i % WORKERS.length]).http.get(`/v1/kv/filled-${i}`);
    expect([status, text]).toEqual([200, `${i} `]);
  }
}, 240_000);

async function clusterOf(master: App): Promise<ClusterView> {
  return (await master.http.get('/v1/cluster')).json() as ClusterView;
}
