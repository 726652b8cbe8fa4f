/**
 * One keep-alive HTTP/1.1 connection of the load generator: writes ready-made requests, and waits for their answers.
 *
 * Why not a library: a client that costs more than the server beside it measures itself. See generator.mjs.
 */
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

import { AnswerReader } from './answer-reader.mjs';

/**
 * Sends what `next` returns, at most `depth` requests ahead of the answers, until it returns undefined. `answered` gets
 * the milliseconds of each. Resolves when the last answer is there; rejects at the first that is no success.
 */
export function driveConnection(port, { depth, next, answered }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const sentAt = [];
    const answers = new AnswerReader(() => answered(performance.now() - sentAt.shift()));
    let exhausted = false;

    socket.on('connect', fill);
    socket.on('data', take);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('The server has closed a connection that was in use.')));

    function fill() {
      while (!exhausted && sentAt.length < depth) {
        const request = next();
        if (request === undefined) {
          exhausted = true;
        } else {
          sentAt.push(performance.now());
          socket.write(request, 'latin1');
        }
      }
      if (sentAt.length === 0) {
        resolve();
        socket.destroy();
      }
    }

    function take(chunk) {
      try {
        answers.take(chunk);
      } catch (error) {
        socket.destroy();
        reject(error);
        return;
      }
      fill();
    }
  });
}
