/**
 * One keep-alive HTTP/1.1 connection of the load generator: writes ready-made requests, reads the answers, and knows
 * as little of HTTP as that takes: status, Content-Length, and no chunked bodies.
 *
 * Why not a library: a client that costs more than the server beside it measures itself. See generator.mjs.
 */
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

const HEAD_END = Buffer.from('\r\n\r\n');
/** Where the status begins: `HTTP/1.1 200`. */
const SUCCESS_AT = 9;
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;

/**
 * Sends what `next` returns, at most `depth` requests ahead of the answers, until it returns undefined. `answered` gets
 * the milliseconds of each. Resolves when the last answer is there; rejects at the first that is no success.
 */
export function driveConnection(port, { depth, next, answered }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const sentAt = [];
    let unread;
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
      const bytes = unread === undefined ? chunk : Buffer.concat([unread, chunk]);
      let start = 0;
      for (;;) {
        const headEnd = bytes.indexOf(HEAD_END, start);
        if (headEnd === -1) break;
        const head = bytes.latin1Slice(start, headEnd);
        const length = CONTENT_LENGTH.exec(head)?.[1];
        if (head[SUCCESS_AT] !== '2' || length === undefined) {
          socket.destroy();
          reject(new Error(`Not a success with a length:\n${bytes.latin1Slice(start)}`));
          return;
        }
        const end = headEnd + HEAD_END.length + Number(length);
        if (end > bytes.length) break;
        answered(performance.now() - sentAt.shift());
        start = end;
      }
      unread = start === bytes.length ? undefined : bytes.subarray(start);
      fill();
    }
  });
}
