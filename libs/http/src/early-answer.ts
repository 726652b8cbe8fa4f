/**
 * Answers that are given before the whole request body has arrived: 413, 404, 405 and their like. Closing at once
 * would reset the connection while the client still sends, and the reset can destroy the answer before the client
 * has read it. So the answer goes out complete, announces `Connection: close`, and the rest of the body is read and
 * dropped for a bounded time and size before the connection is closed.
 *
 * Not for bodies of which little is left: Node drops those by itself and the connection stays usable.
 */
import type { ServerResponse } from 'node:http';

/** An announced body of at most this many bytes is dropped without closing: cheaper than a new connection. */
const KEPT_ALIVE_BYTES_MAX = 64 * 1024;
/**
 * What is dropped at most: enough for clients that send a whole value of twice the default limit before they read.
 * Beyond it nothing is read any more, and the client's sending comes to a stop.
 */
const DROPPED_BYTES_MAX = 32 * 1024 * 1024;
/** Time for the client to read the answer and to close. */
const LINGER_MS_MAX = 2_000;

/** Whether an answer now would come before the end of a body that is not worth waiting for. */
export function answersEarly(res: ServerResponse): boolean {
  const { req } = res;
  // A reader that gave up has paused the request; unread bytes would keep Node from reading the next one.
  if (req.complete) return req.isPaused();
  const { headers } = req;
  if (headers['transfer-encoding'] !== undefined) return true;
  const announced = headers['content-length'];
  if (announced === undefined || announced === '0') return false;
  return Number(announced) > KEPT_ALIVE_BYTES_MAX || headers.expect !== undefined;
}

/**
 * Ends `res` once its request body has arrived, or the client has gone, or a bound is reached.
 * REQUIRES: the whole answer is written, and announces that the connection closes.
 */
export function endAfterBody(res: ServerResponse): void {
  const { req } = res;
  let bytesLeft = DROPPED_BYTES_MAX;
  const timer = setTimeout(end, LINGER_MS_MAX);
  req.on('data', (chunk: Buffer) => {
    bytesLeft -= chunk.length;
    if (bytesLeft < 0) req.pause();
  });
  req.once('close', end);
  req.resume();

  function end(): void {
    clearTimeout(timer);
    res.end();
  }
}
