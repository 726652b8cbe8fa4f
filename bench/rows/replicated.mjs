/**
 * Three workers on one machine that hold three replicas of everything, beside three that hold one: what replication
 * costs. All requests go to the first worker, which passes on what it does not lead.
 *
 * What would make it unfair: a core for each worker. All share one, so three replicas do three times the work on the
 * same hardware; on three machines the rate is higher, and the latency that of the slower of two fsyncs and a round
 * trip. Three workers with one replica pass on as many requests as three with three do.
 */
import { answerOf } from '../contestants/answer.mjs';
import { startFilledThree } from '../contestants/cluster.mjs';
import { writtenBytes } from '../processes.mjs';
import { keyAt, requestsOf, VALUE } from '../workload.mjs';

const BARE_HTTP = new URL('../contestants/bare-http.mjs', import.meta.url);
const HUNDRED = 100;

/** 2.6 k/s where bare `node:http` does 15 k/s. */
const PUT_RATIO_MIN = 0.17;

/** Warm, for requests of these kinds. */
async function startBoth(stage, ...kinds) {
  const contestants = [];
  for (const replicas of [3, 1]) {
    const workers = await startFilledThree(stage, replicas);
    const name = replicas === 1 ? 'one replica' : `${replicas} replicas`;
    // Of all workers together, so the processor time of one says nothing.
    contestants.push({ name, port: workers[0].port, pids: workers.map(({ pid }) => pid) });
    for (const kind of kinds) await stage.fill(workers[0].port, kind, stage.settings.warmUpRequests);
  }
  return contestants;
}

export const replicatedGet = {
  name: 'get-replicated',
  suite: 'cluster',
  title: 'HTTP GET, three workers',
  unit: 'requests/s',
  contestants: (stage) => startBoth(stage, 'get'),
  measure: ({ port }, stage) => stage.loadRound({ port }, 'get'),
};

export const replicatedPut = {
  name: 'put-replicated',
  suite: 'cluster',
  title: 'HTTP PUT, three workers, fsynced by every replica',
  unit: 'requests/s',
  contestants: async (stage) => {
    const both = await startBoth(stage, 'put');
    const answer = await answerOf(both[0].port, requestsOf('put', 1)[0]);
    const server = stage.startOwnServer(BARE_HTTP);
    const bare = { name: 'bare node:http', ratioMin: PUT_RATIO_MIN, port: await server.ask(answer) };
    await stage.fill(bare.port, 'put', stage.settings.warmUpRequests);
    return [...both, bare];
  },
  measure: ({ port }, stage) => stage.loadRound({ port }, 'put'),
};

export const replicatedPutHundred = {
  name: 'put-hundred',
  suite: 'cluster',
  title: 'HTTP PUT, three replicas, a hundred keys',
  unit: 'requests/s',
  contestants: async (stage) => {
    const [{ port }] = await startBoth(stage, 'put', 'put-one');
    return [
      { name: 'of one partition', kind: 'put-one', port },
      { name: 'of all partitions', kind: 'put', port },
    ];
  },
  measure: ({ port, kind }, stage) => stage.loadRound({ port }, kind, { keys: HUNDRED }),
};

export const writtenPerByte = {
  name: 'written-per-byte',
  suite: 'cluster',
  title: 'HTTP PUT, three workers: bytes written for each byte of key and value, all replicas together',
  unit: 'bytes',
  contestants: (stage) => startBoth(stage, 'put'),
  measure: async ({ port, pids }, stage) => {
    const written = () => pids.reduce((sum, pid) => sum + writtenBytes(pid), 0);
    const puts = stage.settings.warmUpRequests;
    const before = written();
    await stage.fill(port, 'put', puts);
    return { value: (written() - before) / (puts * (keyAt(0).length + VALUE.length)) };
  },
};
