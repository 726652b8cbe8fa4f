/**
 * The load generator: a process of its own, told over IPC what to send, that reports rate, latency and what it cost
 * itself.
 *
 * A closed loop: each connection sends its next request when it has the answer to the last one. So rates compare
 * servers that are kept busy, and latencies are those of a server at its limit, not of one with time to spare.
 *
 * A generator that is always busy measures itself: it holds the fastest contestant back and so flatters the others.
 * So it reports its share of a CPU, and the table marks where that comes near 1. It is also why none from a package is
 * used: a request costs a bare `node:http` server about 21 µs of processor time and this generator 16, but autocannon 9
 * took 33, so with that the bare server showed two thirds of its speed, and every ratio to it came out too good.
 */
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { cpuSeconds } from '../processes.mjs';
import { CONNECTIONS, requestsOf, seededDraw } from '../workload.mjs';
import { driveConnection } from './connection.mjs';

/** Requests ahead on each connection while the store is filled, so that the fsyncs are few. */
const FILL_DEPTH = 16;

const COMMANDS = { fill, measure };

/** Requests of each kind, made once. */
const prepared = new Map();

process.on('message', ({ command, options }) => {
  COMMANDS[command](options).then(
    (result) => process.send({ result }),
    (error) => process.send({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());

/** Sends every request of a kind once. */
async function fill({ port, kind, keys }) {
  const requests = requestsFor(kind, keys);
  let sent = 0;
  await drive(port, CONNECTIONS, {
    depth: FILL_DEPTH,
    next: () => requests[sent++],
    answered: () => undefined,
  });
}

/**
 * Sends requests for random keys, and counts those answered within `measureMs` after a `warmUpMs`.
 * @returns the sample: answers per second, `p50Ms`, `p99Ms`, and `loadCpu` and `serverCpu`, the latter of `pid`, as shares
 * of one CPU.
 */
async function measure({ port, pid, kind, keys, connections, warmUpMs, measureMs }) {
  const requests = requestsFor(kind, keys);
  const draw = seededDraw(keys);
  const latenciesMs = [];
  let phase = 'warm-up';
  const done = drive(port, connections, {
    depth: 1,
    next: () => (phase === 'over' ? undefined : requests[draw()]),
    answered: (ms) => {
      if (phase === 'measured') latenciesMs.push(ms);
    },
  });
  const interval = sleep(warmUpMs).then(async () => {
    const before = readings(pid);
    phase = 'measured';
    await sleep(measureMs);
    phase = 'over';
    return between(before, readings(pid));
  });
  const [{ seconds, loadCpu, serverCpu }] = await Promise.all([interval, done]);
  latenciesMs.sort((a, b) => a - b);
  return {
    value: latenciesMs.length / seconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    loadCpu,
    serverCpu,
  };
}

function drive(port, connections, options) {
  return Promise.all(Array.from({ length: connections }, () => driveConnection(port, options)));
}

function requestsFor(kind, keys) {
  const name = `${kind} ${keys}`;
  const requests = prepared.get(name) ?? requestsOf(kind, keys);
  prepared.set(name, requests);
  return requests;
}

function readings(pid) {
  return { atMs: performance.now(), own: process.cpuUsage(), server: cpuSeconds(pid) };
}

function between(before, after) {
  const seconds = (after.atMs - before.atMs) / 1000;
  const ownMicros = after.own.user + after.own.system - before.own.user - before.own.system;
  return {
    seconds,
    loadCpu: ownMicros / 1e6 / seconds,
    serverCpu: after.server === undefined ? undefined : (after.server - before.server) / seconds,
  };
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
