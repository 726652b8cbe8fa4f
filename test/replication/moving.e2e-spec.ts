/**
 * Moving partitions under load: a worker joins three, then another one of them is drained, and in the middle of both
 * the master is killed with -9. Clients read and write through every worker all the time, asking again what was
 * answered with 503, as documented. Every answer is checked: nothing lost, nothing stale, nothing refused for good.
 */
import { performance } from 'node:perf_hooks';

import { expect, it } from '@jest/globals';
import { type App, History, type HttpClient, SeededRandom, useSandbox, Workload } from '@diststore/testing';

import {
  createWorkers,
  fill,
  known,
  type Moves,
  movesOf,
  NOTICING_SOON,
  partitionsOf,
  workersOf,
} from './cluster.js';

const sandbox = useSandbox('all');

const PARTITIONS = 48;
const REPLICAS = 3;
/** So much that moving takes some seconds. */
const FILLED_KEYS = 300;
const FILLED_VALUE_BYTES = 32 * 1024;
const RETRY_FOR_MS = 30_000;
/** Acknowledged while the master is away, before it comes back. */
const WRITES_MEANWHILE = 500;
/** A partition of whose hand-over the master was just told waits for it, and so does, in time, every client. */
const WRITES_BESIDE_CAUGHT = 20;
/** Acknowledged in all. */
const WRITES_MIN = 400;
const SEED = Number(process.env['MOVING_SEED'] ?? 1);
const DEADLINE_MS = 120_000;

it('adds a worker and drains another, with the master killed in the middle of both, and no client notices', async () => {
  let master = await sandbox().startMaster({
    flags: [
      ...NOTICING_SOON,
      '--bootstrap-expect=3',
      // There is load while a worker starts.
      '--worker-start-timeout-ms=60000',
      `--partitions=${PARTITIONS}`,
      `--replication-factor=${REPLICAS}`,
    ],
  });
  const workers = await createWorkers(sandbox(), master, [1, 2, 3]);
  await untilAtRest(master, [1, 2, 3]);
  await fill(known(workers[0]).http, { keys: FILLED_KEYS, valueBytes: FILLED_VALUE_BYTES });

  const history = new History();
  const endpoints = workers.map(({ index, http }) => ({ worker: index, http }));
  const workload = new Workload({
    ...{ history, endpoints, clients: 8, keys: 24, pauseMs: 10, timeoutMs: 20_000 },
    random: new SeededRandom(SEED),
    retryForMs: RETRY_FOR_MS,
    nowMs: () => performance.now(),
  });
  const load = workload.run();
  try {
    const joined = await createWorkers(sandbox(), master, [4]);
    endpoints.push(...joined.map(({ index, http }) => ({ worker: index, http })));
    await untilMoving(master);
    master = await killedAndBack(master, history, endpoints);
    await untilAtRest(master, [1, 2, 3, 4]);
    const held = await partitionsHeldBy(master, 4);
    expect(held).toBeGreaterThanOrEqual(Math.floor((PARTITIONS * REPLICAS) / 4) - 1);

    const drained = await master.http.delete('/v1/workers/1');
    expect(drained.status).toBe(202);
    expect(drained.json()).toMatchObject({ worker: 1, state: 'draining', leaving: true });
    await untilMoving(master);
    // It serves to the end; but its end, with connections open, is another test's subject.
    const [first] = endpoints.splice(0, 1);
    const { pid } = known((await workersOf(master)).find(({ index }) => index === 1));
    master = await killedAndBack(master, history, [...endpoints, known(first)]);
    await untilAtRest(master, [2, 3, 4]);
    // The log says how far it was, and that it is done.
    await master.process.untilPrints(/Worker 1 was drained and has left the cluster/);
    await master.process.untilPrints(/All replicas are where they should be/);
    expect(master.process.output).toMatch(/Moving replicas: \d+ copied, \d+ to go, about [\d.]+ MiB/);
    expect(await sandbox().pids()).not.toContain(pid);
  } finally {
    workload.stop();
    await load;
  }
  expect(history.violations()).toEqual([]);
  expect(history.unknown).toBe(0);
  // A condition that does not hold is an answer.
  expect([...history.failures.keys()].filter((status) => status !== 412)).toEqual([]);
  expect(history.acknowledgedWrites).toBeGreaterThan(WRITES_MIN);
}, 300_000);

/** Until some partitions have moved, and others have not, and the master says how many bytes that is and how long. */
async function untilMoving(master: App): Promise<Moves> {
  return sandbox().eventually('the master tells how far the moves are', async () => {
    const moves = await movesOf(master);
    const isUnderWay = moves.partitionsInMotion > 0 && moves.replicasToGo > 0;
    return isUnderWay && (moves.bytes ?? 0) > 0 && moves.estimateMs !== null && moves;
  });
}

async function killedAndBack(
  master: App,
  history: History,
  workers: readonly { readonly http: HttpClient }[],
): Promise<App> {
  await master.process.kill();
  const before = history.acknowledgedWrites;
  await sandbox().eventually('clients are served without the master', async () => {
    const served = history.acknowledgedWrites - before;
    const caught = await Promise.all(workers.map(({ http }) => replicasThatStopped(http)));
    return served >= (caught.every((count) => count === 0) ? WRITES_MEANWHILE : WRITES_BESIDE_CAUGHT);
  });
  const again = await sandbox().startAgain(master);
  expect(await movesOf(again)).toMatchObject({ replicasToGo: expect.any(Number) });
  return again;
}

/** Of the partitions that this worker leads: those that wait for the master to hear of their hand-over. */
async function replicasThatStopped(http: HttpClient): Promise<number> {
  const { text } = await http.get('/metrics');
  const [, count] = known(/^diststore_replicas\{role="stopping"\} (\d+)$/m.exec(text) ?? undefined);
  return Number(count);
}

/** Until every partition is on three of these workers, all of which take part, and nothing is to be moved. */
async function untilAtRest(master: App, indices: readonly number[]): Promise<void> {
  await sandbox().eventually(
    `all partitions are on workers ${indices.join(', ')}`,
    async () => {
      const { replicasToGo, partitionsInMotion } = await movesOf(master);
      const there = (await workersOf(master)).filter(({ state }) => state === 'serving');
      const partitions = await partitionsOf(master);
      const isWhole = partitions.every(
        ({ replicas }) => replicas?.length === REPLICAS && replicas.every((index) => indices.includes(index)),
      );
      return replicasToGo + partitionsInMotion === 0 && there.length === indices.length && isWhole;
    },
    { deadlineMs: DEADLINE_MS },
  );
}

async function partitionsHeldBy(master: App, worker: number): Promise<number> {
  return (await partitionsOf(master)).filter(({ replicas }) => replicas?.includes(worker)).length;
}
