/**
 * Opens connections that send nothing, in a process of its own because each needs a file descriptor on both sides.
 *
 *     node idle-connections.mjs <port> <count>
 *
 * Prints `open <n>` when all are open, and `closed <n>` when the other side has closed the last one.
 *
 * They are opened in batches that the kernel's queue of connections to accept can hold; beyond it, it drops and repeats
 * them after a second. The queue is first in, first out: once a request on a further connection is answered, all
 * before it have been accepted.
 */
import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import process from 'node:process';

const [, , port, count] = process.argv.map(Number);
/** Node's servers ask for a queue of 511. */
const BATCH = 400;

const sockets = [];
let closed = 0;
while (sockets.length < count) {
  const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, open);
  sockets.push(...batch);
  await Promise.all(batch.map((socket) => once(socket, 'connect')));
  await isServed();
}
console.log(`open ${count}`);
reportEnd();

/** Also when the request is turned away, because the server holds all that it can. */
async function isServed() {
  const request = get({ port, host: '127.0.0.1', path: '/livez', agent: false }, (answer) => answer.resume());
  await once(request, 'close').catch(() => undefined);
}

function open() {
  const socket = connect(port, '127.0.0.1');
  // A reset is one of the ways to be closed.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    closed += 1;
    reportEnd();
  });
  return socket.resume();
}

function reportEnd() {
  if (closed === count && sockets.length === count) console.log(`closed ${closed}`);
}
