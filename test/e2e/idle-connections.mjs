/**
 * Opens connections that send nothing, in a process of its own because each needs a file descriptor on both sides.
 *
 *     node idle-connections.mjs <port> <count>
 *
 * Prints `open <n>` when every attempt has ended, and `closed <n>` when the other side has closed the last one.
 */
import { connect } from 'node:net';
import process from 'node:process';

const [, , port, count] = process.argv.map(Number);
/** At one time. More than the server's queue of connections to accept would be turned away by the kernel. */
const ATTEMPTS = 200;

let tried = 0;
let open = 0;
let closed = 0;
let underWay = 0;

for (let i = 0; i < Math.min(ATTEMPTS, count); i++) next();

function next() {
  if (tried === count) {
    if (underWay === 0) report();
    return;
  }
  tried += 1;
  underWay += 1;
  const socket = connect(port, '127.0.0.1');
  let connected = false;
  socket.once('connect', () => {
    connected = true;
    open += 1;
    attemptEnded();
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    if (connected) closed += 1;
    else attemptEnded();
    if (underWay === 0 && closed === open) console.log(`closed ${closed}`);
  });
  socket.resume();
}

function attemptEnded() {
  underWay -= 1;
  next();
}

function report() {
  console.log(`open ${open}`);
}
