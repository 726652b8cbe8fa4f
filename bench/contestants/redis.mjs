/**
 * Two servers that speak Redis's protocol and acknowledge a write when it is on disk: Redis itself, told to fsync
 * before every reply, and a worker that holds every partition, on its cluster port.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { root } from '../../scripts/setup.mjs';
import { VALUE } from '../workload.mjs';
import { freePorts } from '../stage.mjs';

const MASTER = join(root, 'dist/bundle/master/src/main.js');
const WORKER = join(root, 'dist/bundle/worker/src/main.js');
/** A server that does not listen by then has failed. */
const START_WAIT_MS = 60_000;
const POLL_MS = 20;
/** Commands that are sent before their answers are read. */
const FILL_BATCH = 1000;

/** A master and one worker: a worker that stands alone has no slots, and so no cluster port. */
export async function startRedisWorker(stage) {
  const port = await freePorts(3);
  const folder = stage.dataFolder('cluster');
  const master = `http://127.0.0.1:${port}`;
  stage.startServer([MASTER, `${port}`, '--bootstrap-expect=1', `--data-dir=${folder}`]);
  const redisPort = port + 2;
  const worker = stage.startServer([
    ...[WORKER, `${port + 1}`, '--index=1', `--master-url=${master}`, `--data-dir=${folder}`],
    ...[`--redis-port=${redisPort}`, '--redis-gateway-port=0'],
  ]);
  await worker.untilAnswered(`http://127.0.0.1:${port + 1}/readyz`, ({ ok }) => ok);
  return { name: 'diststore worker', port: redisPort, pid: worker.pid, program: worker };
}

/** `appendfsync always`: the promise that a worker gives. No snapshots, which a worker has no like of. */
export async function startRedisServer(stage) {
  const port = await freePorts(1);
  const folder = stage.dataFolder('redis');
  const options = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder, '--save', ''];
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
  const command = ['redis-server', ...options, ...durable];
  const program = stage.start(command, { core: stage.cores?.server });
  return { name: 'redis-server, fsync always', port, pid: program.pid, program };
}

/** Stores every key that `redis-benchmark -r <keys>` may ask for. */
export async function fillRedis({ port, program }, keys) {
  await program.whileAlive(fill(port, keys));
}

async function fill(port, keys) {
  const socket = await connected(port);
  let answered = 0;
  let refusal;
  socket.setEncoding('latin1').on('data', (text) => {
    refusal ??= /^-.*$/m.exec(text)?.[0];
    answered += text.split('\n').length - 1;
    socket.emit('answers');
  });
  for (let first = 0; first < keys; first += FILL_BATCH) {
    const end = Math.min(keys, first + FILL_BATCH);
    socket.write(Array.from({ length: end - first }, (_unused, i) => setCommand(first + i)).join(''));
    while (answered < end && refusal === undefined) await once(socket, 'answers');
    if (refusal !== undefined) throw new Error(`SET is answered with ${refusal}`);
  }
  socket.destroy();
}

/** As redis-benchmark names its keys. */
function setCommand(index) {
  const parts = ['SET', `key:${index.toString().padStart(12, '0')}`, VALUE];
  return `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`;
}

async function connected(port) {
  const deadlineMs = performance.now() + START_WAIT_MS;
  for (;;) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await sleep(POLL_MS);
    }
  }
}
