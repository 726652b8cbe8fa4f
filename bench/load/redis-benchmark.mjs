/** Load in Redis's protocol, from Redis's own generator, on the core of the load. */
import { text } from 'node:stream/consumers';
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

import { cpuSeconds } from '../processes.mjs';
import { VALUE } from '../workload.mjs';

const CONNECTIONS = 50;

/**
 * Sends `requests` commands of a kind, `set` or `get`, for random keys, `pipeline` at a time on each connection.
 * @returns the sample: commands per second, `p50Ms`, `p99Ms` and `serverCpu`.
 */
export async function redisBenchmark({ port, pid }, { kind, pipeline, keys, requests, core }) {
  const options = { p: port, t: kind, P: pipeline, c: CONNECTIONS, r: keys, d: VALUE.length, n: requests };
  const args = ['--csv', ...Object.entries(options).flatMap(([name, value]) => [`-${name}`, `${value}`])];
  const command = ['redis-benchmark', ...args];
  const [file, ...rest] = core === undefined ? command : ['taskset', '--cpu-list', `${core}`, ...command];
  const before = { atMs: performance.now(), server: cpuSeconds(pid) };
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const seconds = (performance.now() - before.atMs) / 1000;
  const server = cpuSeconds(pid);
  return {
    ...valuesIn(output, errors),
    serverCpu: server === undefined ? undefined : (server - before.server) / seconds,
  };
}

/** Its table has a line of headings, and one of values in quotes. An error of the server is in the other stream. */
function valuesIn(output, errors) {
  const [headings = [], values = []] = output
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')));
  const cell = (heading) => Number(values[headings.indexOf(heading)]);
  const value = cell('rps');
  if (!(value > 0)) throw new Error(`redis-benchmark has failed: ${output}${errors}`);
  return { value, p50Ms: cell('p50_latency_ms'), p99Ms: cell('p99_latency_ms') };
}
