import { afterEach, describe, expect, it } from '@jest/globals';

import { Host, connectionPair, grantingServer, helloOf, identityOf } from '../test/fixtures.js';
import { Cleanup, turn, until } from '../test/until.js';
import type { EndpointOptions } from './endpoint.js';
import { FRAME } from './frame.js';
import type { TransportLimits } from './limits.js';
import { piecesOf } from './message.js';
import type { RequestOutcome } from './request-channel.js';
import type { RequestLink } from './request-link.js';
import { MESSAGE, messageHeader } from './request-message.js';
import type { Reply, RequestHandler } from './request-server.js';
import { SendQueue } from './send-queue.js';

const MIB = 1024 * 1024;
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const ECHO: RequestHandler = (request, reply) => {
  reply.send(request);
};

/** A link of worker 1 to whoever is at `address`. */
function linkTo(
  address: Host['address'],
  options: Partial<EndpointOptions> = {},
): { link: RequestLink; host: Host } {
  const host = new Host(identityOf(1), options);
  cleanup.add(() => host.stop());
  const links = host.transport.requestLinks('test', { eager: false });
  links.follow([[2, address]]);
  const link = links.get(2);
  if (link === undefined) throw new Error('a link is made for every address');
  return { link, host };
}

async function serving(
  handler: RequestHandler,
  { client = {}, server = {} }: { client?: Partial<TransportLimits>; server?: Partial<TransportLimits> } = {},
): Promise<{ link: RequestLink; host: Host; server: Host }> {
  const two = new Host(identityOf(2), { limits: server });
  two.transport.serveRequests('test', handler);
  await two.listen(cleanup);
  return { ...linkTo(two.address, { limits: client }), server: two };
}

/** A handler that answers when told to. */
function held(): { handler: RequestHandler; replies: Reply[] } {
  const replies: Reply[] = [];
  return { handler: (_request, reply) => replies.push(reply), replies };
}

function frameOf(...pieces: Buffer[]): Buffer {
  const queue = new SendQueue();
  queue.push(FRAME.message, pieces, Buffer.concat(pieces).length);
  return Buffer.concat(queue.take(Infinity));
}

function textOf(outcome: RequestOutcome): string {
  return outcome.outcome === 'answered' ? outcome.answer.toString() : `${outcome.outcome}: ${outcome.reason}`;
}

describe('a request', () => {
  it('is answered by its own answer, whatever the order', async () => {
    const waiting: [Buffer, Reply][] = [];
    const { link, host } = await serving((request, reply) => {
      waiting.push([request, reply]);
      if (waiting.length === 100)
        for (const [body, later] of waiting.reverse()) later.send([body, Buffer.from('!')]);
    });
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, i) => link.request(Buffer.from(`request ${i}`), 5_000)),
    );
    expect(outcomes.map(textOf)).toEqual(Array.from({ length: 100 }, (_, i) => `request ${i}!`));
    expect(host.transport.counters.of('test').requestsAnswered).toBe(100);
    expect(link.pendingCount).toBe(0);
  });

  it('and its answer may be empty, or 16 MiB', async () => {
    const { link } = await serving(ECHO);
    const large = Buffer.alloc(16 * MIB, 'diststore');
    const [empty, echoed] = await Promise.all([
      link.request(Buffer.alloc(0), 5_000),
      link.request([large.subarray(0, MIB), large.subarray(MIB)], 5_000),
    ]);
    expect(textOf(empty)).toBe('');
    expect(echoed.outcome === 'answered' && echoed.answer.equals(large)).toBe(true);
  });

  it('past its deadline is unknown, and its late answer is dropped', async () => {
    const { handler, replies } = held();
    const { link, host } = await serving(handler);
    void link.request(Buffer.from('connect'), 5_000);
    await until(() => replies.length === 1, 'the connection');
    expect(textOf(await link.request(Buffer.from('slow'), 30))).toBe('unknown: deadline');
    await until(() => replies.length === 2, 'the request');
    replies[1]?.send(Buffer.from('late'));
    await until(() => host.transport.counters.of('test').answersLate === 1, 'the late answer');
    expect(host.transport.counters.of('test').requestsUnknown).toBe(1);
    expect(host.transport.connections.size).toBe(1);
  });

  it('is not late because this process stood still while its answer lay there', async () => {
    const { link } = await serving((request, reply) => {
      reply.send(request);
      if (request.toString() !== 'x') return;
      // The server shares this process: it has answered, and nobody reads for a while.
      const untilMs = performance.now() + 100;
      while (performance.now() < untilMs);
    });
    await link.request(Buffer.from('connect'), 5_000);
    expect(textOf(await link.request(Buffer.from('x'), 60))).toBe('x');
  });

  it('that was declined, or is too large, was not sent', async () => {
    const { link } = await serving((_request, reply) => {
      reply.decline();
    });
    expect(textOf(await link.request(Buffer.from('x'), 1_000))).toBe('not-sent: declined');
    expect(textOf(await link.request(Buffer.alloc(17 * MIB), 1_000))).toBe('not-sent: too-large');
  });

  it('beyond requestsMax was not sent', async () => {
    const { handler, replies } = held();
    const { link } = await serving(handler, { client: { requestsMax: 2 } });
    const first = [link.request(Buffer.from('a'), 5_000), link.request(Buffer.from('b'), 5_000)];
    expect(textOf(await link.request(Buffer.from('c'), 5_000))).toBe('not-sent: busy');
    await until(() => replies.length === 2, 'the first two');
    expect(textOf(await link.request(Buffer.from('d'), 5_000))).toBe('not-sent: busy');
    for (const reply of replies) reply.send(Buffer.from('done'));
    expect((await Promise.all(first)).map(textOf)).toEqual(['done', 'done']);
  });

  it('whose answer is longer than a message may be has an unknown outcome', async () => {
    const { link } = await serving((_request, reply) => {
      reply.send(Buffer.alloc(17 * MIB));
    });
    expect(textOf(await link.request(Buffer.from('x'), 1_000))).toBe('unknown: answer-lost');
  });
});

describe('when the connection is lost', () => {
  it('what was handed over is unknown', async () => {
    const { handler, replies } = held();
    const { link, server } = await serving(handler);
    const outcomes = Promise.all([
      link.request(Buffer.from('a'), 5_000),
      link.request(Buffer.from('b'), 5_000),
    ]);
    await until(() => replies.length === 2, 'both at the server');
    expect(replies[0]?.isAwaited).toBe(true);
    for (const socket of server.upgraded) socket.destroy();
    expect((await outcomes).map(textOf)).toEqual(['unknown: connection-lost', 'unknown: connection-lost']);
    await until(() => replies[0]?.isAwaited === false, 'the server knows');
    replies[0]?.send(Buffer.from('to nobody'));
  });

  it('what still waited in this process was not sent', async () => {
    const stalled = await grantingServer(cleanup, helloOf());
    const { link, host } = linkTo(stalled.address);
    const request = (): Promise<RequestOutcome> => link.request(Buffer.alloc(4 * MIB), 10_000);
    const outcomes = Array.from({ length: 5 }, request);
    await until(() => host.transport.counters.of('test').bytesSent > 0, 'the first write');
    stalled.sockets[0]?.destroy();
    expect((await Promise.all(outcomes)).map(textOf)).toEqual([
      'unknown: connection-lost',
      ...Array.from({ length: 4 }, () => 'not-sent: connection-lost'),
    ]);
  });

  it('and the peer cannot be reached, requests are refused at once', async () => {
    const gone = await new Host(identityOf(2)).listen(cleanup);
    await gone.stop();
    const { link } = linkTo(gone.address, { limits: { backoffMinMs: 60_000, backoffMaxMs: 60_000 } });
    expect(textOf(await link.request(Buffer.from('x'), 5_000))).toBe('not-sent: not-connected');
    expect(await link.request(Buffer.from('x'), 5_000)).toEqual({
      outcome: 'not-sent',
      reason: 'not-connected',
      detail: 'ECONNREFUSED',
    });
  });

  it('and making another takes longer than the deadline, nothing was sent', async () => {
    const mute = await new Host(identityOf(2)).listen(cleanup);
    mute.server.removeAllListeners('upgrade');
    mute.server.on('upgrade', (_req, socket) => cleanup.add(() => socket.destroy()));
    const { link } = linkTo(mute.address);
    expect(textOf(await link.request(Buffer.from('x'), 20))).toBe('not-sent: deadline');
    expect(link.pendingCount).toBe(0);
  });
});

describe('a server', () => {
  it('serves servedMax at once, and the others when it has answered', async () => {
    const { handler, replies } = held();
    const { link } = await serving(handler, { server: { servedMax: 4 } });
    const outcomes = Promise.all(Array.from({ length: 20 }, (_, i) => link.request(Buffer.from([i]), 5_000)));
    for (let answered = 0; answered < 20; answered++) {
      await until(() => replies.length > answered, 'another request');
      await turn();
      expect(replies.length - answered).toBeLessThanOrEqual(4);
      replies[answered]?.send(Buffer.from('done'));
    }
    expect((await outcomes).map(textOf)).toEqual(Array.from({ length: 20 }, () => 'done'));
  });

  const small = { messageBytesMax: 64 * 1024, sendQueueBytesMax: 160 * 1024 };

  it('keeps answers that find the send queue full', async () => {
    const { handler, replies } = held();
    const { link } = await serving(handler, { server: small });
    const order: number[] = [];
    const outcomes = Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const outcome = await link.request(Buffer.from('x'), 5_000);
        order.push(i);
        return outcome;
      }),
    );
    await until(() => replies.length === 50, 'all requests');
    // Small ones among them do not overtake.
    for (const [i, reply] of replies.entries())
      reply.send(Buffer.alloc(i % 2 === 0 ? 60_000 : 2, String(i % 10)));
    expect((await outcomes).map((outcome) => textOf(outcome).slice(0, 2))).toEqual(
      Array.from({ length: 50 }, (_, i) => String(i % 10).repeat(2)),
    );
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('says that an answer is lost when too many wait', async () => {
    const { handler, replies } = held();
    const { link } = await serving(handler, { server: { ...small, answerBacklogBytesMax: 130_000 } });
    const outcomes = Promise.all(Array.from({ length: 6 }, () => link.request(Buffer.from('x'), 5_000)));
    await until(() => replies.length === 6, 'all requests');
    for (const reply of replies) reply.send(Buffer.alloc(60_000, 'x'));
    // Two in the send queue, two in the backlog.
    expect((await outcomes).map(({ outcome }) => outcome)).toEqual([
      ...Array.from({ length: 4 }, () => 'answered'),
      ...Array.from({ length: 2 }, () => 'unknown'),
    ]);
  });

  it('that closes in order leaves no outcome unknown', async () => {
    const { link, server } = await serving((request, reply) => {
      setImmediate(() => {
        reply.send(request);
      });
    });
    const counts = { answered: 0, 'not-sent': 0, unknown: 0 };
    let running = true;
    const loop = async (): Promise<void> => {
      while (running) {
        counts[(await link.request(Buffer.from('x'), 5_000)).outcome]++;
        await turn();
      }
    };
    const loops = Array.from({ length: 50 }, loop);
    await until(() => counts.answered > 500, 'some traffic');
    await server.transport.close(5_000);
    await until(() => counts['not-sent'] > 100, 'refusals');
    running = false;
    await Promise.all(loops);
    expect(counts.unknown).toBe(0);
    expect(server.eventsOf('closed')).toEqual([
      expect.objectContaining({ reason: { code: 'closed', detail: 'in order' } }),
    ]);
  });

  it('that closes in order gets no more requests, and answers those it has', async () => {
    const { handler, replies } = held();
    const { link, server } = await serving(handler);
    const outcome = link.request(Buffer.from('x'), 5_000);
    await until(() => replies.length === 1, 'the request');
    const closed = server.transport.close(5_000);
    const { bytesReceived } = server.transport.counters.of('test');
    await until(() => server.transport.counters.of('test').bytesReceived > bytesReceived, 'the last request');
    expect(textOf(await link.request(Buffer.from('y'), 5_000))).toBe('not-sent: draining');
    replies[0]?.send(Buffer.from('done'));
    expect(textOf(await outcome)).toBe('done');
    await closed;
    expect(replies).toHaveLength(1);
  });

  it('answers what is under way when the requester closes', async () => {
    const { handler, replies } = held();
    const { link } = await serving(handler);
    const outcome = link.request(Buffer.from('x'), 5_000);
    await until(() => replies.length === 1, 'the request');
    const closed = link.close(5_000);
    await turn();
    expect(textOf(await link.request(Buffer.from('too late'), 5_000))).toBe('not-sent: draining');
    replies[0]?.send(Buffer.from('done'));
    expect(textOf(await outcome)).toBe('done');
    await closed;
  });

  it('holds that a request is answered once', async () => {
    const { handler, replies } = held();
    const { link } = await serving(handler);
    const outcome = link.request(Buffer.from('x'), 5_000);
    await until(() => replies.length === 1, 'the request');
    replies[0]?.send(Buffer.from('done'));
    expect(() => replies[0]?.decline()).toThrow('a request is answered once');
    expect(textOf(await outcome)).toBe('done');
  });
});

describe('a message that is no request or answer', () => {
  it.each([
    ['is too short', Buffer.from([1, 0, 0])],
    ['has an unknown kind', Buffer.concat([Buffer.from([77]), Buffer.alloc(7)])],
    ['has its reserved byte in use', Buffer.from([1, 1, 0, 0, 0, 0, 0, 1])],
    ['is an answer', messageHeader(MESSAGE.answer, 1)],
    [
      'has a body where none belongs',
      Buffer.concat([messageHeader(MESSAGE.lastRequest, 0), Buffer.from('x')]),
    ],
  ])('because it %s closes the connection of a server', async (_what, message) => {
    let served = 0;
    const two = new Host(identityOf(2));
    two.transport.serveRequests('test', () => served++);
    await two.listen(cleanup);
    const one = new Host(identityOf(1));
    cleanup.add(() => one.stop());
    const links = one.transport.links('test', { eager: true }, (connection) => {
      connection.send(piecesOf(message));
      return { onMessage: () => undefined, onClose: () => undefined };
    });
    links.follow([[2, two.address]]);
    await until(() => two.eventsOf('closed').length > 0, 'the close');
    expect(two.eventsOf('closed')[0]).toMatchObject({ reason: { code: 'protocol-error' } });
    expect(two.transport.counters.of('test').protocolErrors).toBe(1);
    expect(served).toBe(0);
  });

  it.each([
    ['is a request', messageHeader(MESSAGE.request, 1)],
    ['answers what was never asked', messageHeader(MESSAGE.answer, 99)],
  ])('because it %s closes the connection of a requester', async (_what, message) => {
    const server = await grantingServer(cleanup, helloOf());
    const { link, host } = linkTo(server.address);
    const outcome = link.request(Buffer.from('x'), 5_000);
    await until(() => server.sockets.length === 1, 'the connection');
    server.sockets[0]?.write(frameOf(message));
    expect(['unknown', 'not-sent']).toContain((await outcome).outcome);
    expect(host.transport.counters.of('test').protocolErrors).toBe(1);
  });

  it('does not harm a plain connection, which knows no requests', async () => {
    const [near, far] = await connectionPair(cleanup);
    near.connection.send(Buffer.from([1, 0, 0]));
    await until(() => far.messages.length === 1, 'the message');
  });
});
