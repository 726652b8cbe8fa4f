/** Goal: nothing is lost, reordered or held for long by sending answers together. Method: a real server. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { eventually, RawConnection } from '../test/raw-connection.js';
import { AnswerQueue } from './answer-queue.js';
import { Reply } from './reply.js';
import type { GuardedResponse } from './reply.js';

const CONNECTIONS = 300;
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

let server: Server;
let queue: AnswerQueue;
let arrived: GuardedResponse[];
let connections: RawConnection[];

beforeEach(async () => {
  queue = new AnswerQueue();
  arrived = [];
  connections = [];
  server = createServer((_req, res) => arrived.push(res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const { socket } of connections) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function open(count: number): Promise<void> {
  for (let i = 0; i < count; i++) connections.push(await RawConnection.open(server));
}

describe('AnswerQueue', () => {
  it('answers everybody, also more than it holds back', async () => {
    await open(CONNECTIONS);
    for (const connection of connections) connection.send(REQUEST);
    await eventually(() => arrived.length === CONNECTIONS, 'all requests');
    for (const res of arrived) queue.addReply(res, new Reply(200, [], Buffer.from([0, 200, 255])));
    for (const connection of connections) expect((await connection.answer()).body).toBe('\0Èÿ');
  });

  it.each([
    ['ASCII', 'plain'],
    ['other text', 'größe €'],
    ['a large body', 'x'.repeat(100_000)],
    ['nothing', ''],
  ])('sends %s whole', async (_what, text) => {
    await open(1);
    connections[0]?.send(REQUEST);
    await eventually(() => arrived.length === 1, 'the request');
    queue.addReply(arrived[0] as GuardedResponse, Reply.text(200, text));
    const answer = await connections[0]?.answer();
    expect(Buffer.from(answer?.body ?? '', 'latin1').toString()).toBe(text);
  });

  it('answers pipelined requests in their order, whatever the order of their answers', async () => {
    await open(1);
    connections[0]?.send(REQUEST.repeat(3));
    await eventually(() => arrived.length === 3, 'all requests');
    for (const i of [2, 0, 1]) queue.addReply(arrived[i] as GuardedResponse, Reply.text(200, `${i}`));
    for (const i of [0, 1, 2]) expect((await connections[0]?.answer())?.body).toBe(`${i}`);
  });

  it('does without a client that left within the turn', async () => {
    await open(2);
    for (const connection of connections) connection.send(REQUEST);
    await eventually(() => arrived.length === 2, 'both requests');
    for (const res of arrived) queue.addReply(res, Reply.text(200, 'x'));
    arrived[0]?.destroy();
    const left = connections.filter(({ socket }) => socket.localPort === arrived[1]?.req.socket.remotePort);
    expect((await left[0]?.answer())?.body).toBe('x');
  });

  it('throws for a header that cannot be sent, and sends nothing', async () => {
    await open(1);
    connections[0]?.send(REQUEST);
    await eventually(() => arrived.length === 1, 'the request');
    const [res] = arrived as [GuardedResponse];
    expect(() => queue.addReply(res, Reply.text(200, 'x', ['X-Bad', 'a\nb']))).toThrow(
      'Invalid character in header',
    );
    queue.addReply(res, Reply.text(400, 'better'));
    expect(await connections[0]?.answer()).toMatchObject({ status: 400, body: 'better' });
  });
});
