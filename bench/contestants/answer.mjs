/**
 * An answer of the worker, for the other servers to give as well: the same status, headers and bytes. Taken from the
 * worker itself, so that nobody has to remember to change theirs when it learns a header.
 */
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

/** What every Node server adds by itself. */
const NODES_OWN = new Set(['date', 'connection', 'keep-alive', 'content-length']);

/** @param wire one request of workload.mjs. @returns `{ status, headers, body }`, the headers as name, value pairs. */
export async function answerOf(port, wire) {
  const [, method, path] = /^(\S+) (\S+) /.exec(wire);
  const sent = request({ port, host: '127.0.0.1', method, path }).end(wire.split('\r\n\r\n')[1]);
  const [answer] = await once(sent, 'response');
  const names = answer.rawHeaders.filter((_value, i) => i % 2 === 0);
  const headers = names.map((name, i) => [name, answer.rawHeaders[2 * i + 1]]);
  return {
    status: answer.statusCode,
    headers: headers.filter(([name]) => !NODES_OWN.has(name.toLowerCase())),
    body: await text(answer),
  };
}
