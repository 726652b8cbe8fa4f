import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { Recorder, connectionPair, socketPair } from '../test/fixtures.js';
import { Cleanup, turn, until } from '../test/until.js';
import { FRAME, controlFrame } from './frame.js';
import { SendQueue } from './send-queue.js';

const MIB = 1024 * 1024;
const cleanup = new Cleanup();

afterEach(() => cleanup.run());

function frameOf(text: string): Buffer {
  const queue = new SendQueue();
  queue.push(FRAME.message, [Buffer.from(text)], Buffer.byteLength(text));
  return Buffer.concat(queue.take(Infinity));
}

describe('messages', () => {
  it('arrive as they were sent, in order, in both directions', async () => {
    const [near, far] = await connectionPair(cleanup);
    const texts = Array.from({ length: 2_000 }, (_, i) => `message ${i} ${'.'.repeat(i % 300)}`);
    for (const text of texts) near.connection.send(Buffer.from(text));
    far.connection.send([Buffer.from('an'), Buffer.alloc(0), Buffer.from('swer')]);
    await until(() => far.messages.length === texts.length && near.messages.length === 1, 'all arrived');
    expect(far.texts).toEqual(texts);
    expect(near.texts).toEqual(['answer']);
    expect([near.counters.messagesSent, far.counters.messagesReceived]).toEqual([2_000, 2_000]);
    expect(far.counters.bytesReceived).toBe(near.counters.bytesSent);
  });

  it('of 16 MiB, in pieces, arrive among small ones', async () => {
    const [near, far] = await connectionPair(cleanup);
    const half = Buffer.alloc(8 * MIB, 'diststore');
    near.connection.send(Buffer.from('before'));
    near.connection.send([half, half]);
    near.connection.send(Buffer.from('after'));
    await until(() => far.messages.length === 3, 'all arrived');
    expect(far.messages[1]?.equals(Buffer.concat([half, half]))).toBe(true);
    expect([far.texts[0], far.texts[2]]).toEqual(['before', 'after']);
  });

  it('that come with the end of the handshake are delivered, but not before start returns', async () => {
    const [near] = await socketPair(cleanup);
    const far = new Recorder(near, {}, { head: frameOf('early') });
    expect(far.texts).toEqual([]);
    await until(() => far.messages.length === 1, 'the early one');
    expect(far.texts).toEqual(['early']);
  });

  it('longer than messageBytesMax are the sender’s mistake', async () => {
    const [near] = await connectionPair(cleanup, { messageBytesMax: 100 });
    expect(() => near.connection.send(Buffer.alloc(101))).toThrow('a message has at most messageBytesMax');
  });
});

describe('back-pressure', () => {
  it('refuses at sendQueueBytesMax while the peer does not read, without growing', async () => {
    const [socket, stalled] = await socketPair(cleanup);
    stalled.pause();
    const { connection, counters } = new Recorder(socket, {
      messageBytesMax: MIB,
      sendQueueBytesMax: 4 * MIB,
      silenceMs: 100_000,
    });
    const message = Buffer.alloc(64 * 1024, 1);
    let refusals = 0;
    // What the kernel takes is not queued; at some time it takes no more.
    for (let refusedTurns = 0; refusedTurns < 200;) {
      await turn();
      refusedTurns = connection.send(message) === 0 ? refusedTurns + 1 : 0;
      if (refusedTurns > 0) refusals++;
      expect(connection.queuedBytes).toBeLessThanOrEqual(4 * MIB);
    }
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 10_000; i++) if (connection.send(Buffer.from('small')) === 0) refusals++;
    for (let i = 0; i < 10_000; i++) if (connection.send(message) === 0) refusals++;
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MIB);
    expect(connection.queuedBytes).toBeLessThanOrEqual(4 * MIB);
    expect(counters.sendsRefused).toBe(refusals);

    const room = connection.room();
    stalled.resume();
    expect(await room).toBe(true);
    expect(connection.queuedBytes).toBeLessThanOrEqual(2 * MIB);
    expect(connection.send(Buffer.alloc(MIB))).toBeGreaterThan(0);
  });

  it('says that there is no more room when the connection closes', async () => {
    const [socket, stalled] = await socketPair(cleanup);
    stalled.pause();
    const { connection } = new Recorder(socket, { messageBytesMax: MIB, sendQueueBytesMax: 3 * MIB });
    while (connection.send(Buffer.alloc(MIB)) > 0);
    const room = connection.room();
    connection.cut('enough');
    expect(await room).toBe(false);
    expect(await connection.room()).toBe(false);
    expect(connection.send(Buffer.from('late'))).toBe(0);
  });

  it('of a paused consumer stops delivery at once, and holds the sender back in the end', async () => {
    const [near, far] = await connectionPair(cleanup, { messageBytesMax: MIB, sendQueueBytesMax: 3 * MIB });
    far.onRecorded = () => {
      if (far.messages.length === 3) far.connection.pause();
    };
    const accepted: string[] = [];
    for (let refusedTurns = 0; refusedTurns < 200;) {
      await turn();
      const text = `${accepted.length} ${'x'.repeat(30_000)}`;
      if (near.connection.send(Buffer.from(text)) > 0) accepted.push(text);
      else refusedTurns++;
    }
    expect(far.messages).toHaveLength(3);
    far.connection.resume();
    // Not from within the call.
    expect(far.messages).toHaveLength(3);
    await until(() => far.messages.length === accepted.length, 'all that was accepted');
    expect(far.texts).toEqual(accepted);
  });

  it('lets a consumer pause and resume at every message', async () => {
    const [near, far] = await connectionPair(cleanup);
    far.onRecorded = (message) => {
      far.connection.pause();
      if (message.length % 2 === 0) far.connection.resume();
      else
        setImmediate(() => {
          far.connection.resume();
        });
    };
    for (let i = 0; i < 500; i++) near.connection.send(Buffer.alloc(i));
    await until(() => far.messages.length === 500, 'all');
    expect(far.messages.map((message) => message.length)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });
});

describe('malformed bytes', () => {
  it.each([
    ['a wrong checksum', Buffer.concat([frameOf('x').subarray(0, -1), Buffer.from('y')]), 'checksum'],
    [
      'a length beyond the bound',
      Buffer.from([0, 0, 0, 0, 1, 1, 0, 0, 255, 255, 255, 255]),
      'announces 4294967295',
    ],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'frame format 47'],
  ])('%s close the connection, are counted, and end in the log', async (_what, bytes, problem) => {
    const [socket, raw] = await socketPair(cleanup);
    const far = new Recorder(socket);
    const heard: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => heard.push(chunk));
    raw.write(Buffer.concat([frameOf('good'), bytes, frameOf('behind')]));
    await until(() => far.reasons.length > 0 && raw.readableEnded, 'the close');
    expect(far.texts).toEqual(['good']);
    expect(far.reasons).toEqual([{ code: 'protocol-error', detail: expect.stringContaining(problem) }]);
    // The peer is told why.
    expect(Buffer.concat(heard).toString('latin1')).toContain(`protocol error: `);
    raw.end();
    await far.connection.done;
  });

  it('of any kind never reach the consumer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 12, maxLength: 500 }), async (noise) => {
        const [socket, raw] = await socketPair(cleanup);
        const far = new Recorder(socket);
        raw.end(noise);
        await until(() => far.reasons.length > 0, 'the close');
        expect(far.messages).toEqual([]);
        expect(far.reasons).toHaveLength(1);
      }),
      { numRuns: 50 },
    );
  });
});

describe('silence', () => {
  const limits = { heartbeatMs: 20, silenceMs: 60 };

  it('of a half-open peer is noticed within silenceMs and two heartbeats', async () => {
    const [socket, frozen] = await socketPair(cleanup);
    frozen.pause();
    const startMs = performance.now();
    const { reasons } = new Recorder(socket, limits);
    await until(() => reasons.length > 0, 'the verdict');
    expect(reasons[0]?.code).toBe('silent');
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(limits.silenceMs - 5);
  });

  it('is no matter between two connections that have nothing to say', async () => {
    const [near, far] = await connectionPair(cleanup, limits);
    await until(() => far.counters.bytesReceived >= 10 * 12, 'ten pings');
    expect([...near.reasons, ...far.reasons]).toEqual([]);
    expect(far.messages).toEqual([]);
  });

  it('is not concluded from a standstill of this process', async () => {
    const [socket, raw] = await socketPair(cleanup);
    const far = new Recorder(socket, limits);
    const ping = controlFrame(FRAME.ping);
    for (let i = 0; i < 5; i++) {
      raw.write(ping);
      const untilMs = performance.now() + 2 * limits.silenceMs;
      while (performance.now() < untilMs);
      await turn();
      await turn();
    }
    expect(far.reasons).toEqual([]);
  });

  it('is not concluded from what a paused consumer leaves unread', async () => {
    const [near, far] = await connectionPair(cleanup, limits);
    far.connection.pause();
    await until(() => near.counters.bytesReceived >= 8 * 12, 'more than silenceMs of pings');
    expect(far.reasons).toEqual([]);
  });
});

describe('closing', () => {
  it('in order delivers what was sent, and both sides know', async () => {
    const [near, far] = await connectionPair(cleanup);
    const texts = Array.from({ length: 100 }, (_, i) => `${i} ${'x'.repeat(i * 500)}`);
    for (const text of texts) near.connection.send(Buffer.from(text));
    const closed = near.connection.close(5_000);
    await Promise.all([closed, near.connection.close(1), far.connection.done]);
    expect(far.texts).toEqual(texts);
    expect(near.reasons).toEqual([{ code: 'closed', detail: 'in order' }]);
    expect(far.reasons).toEqual([{ code: 'closed-by-peer', detail: 'in order' }]);
  });

  it('takes no longer than its deadline when the peer does not read', async () => {
    const [socket, stalled] = await socketPair(cleanup);
    stalled.pause();
    const near = new Recorder(socket);
    const first = near.connection.send(Buffer.alloc(16 * MIB));
    const second = near.connection.send(Buffer.alloc(16 * MIB));
    void near.connection.close(30);
    await until(() => near.reasons.length > 0, 'the cut');
    expect(near.reasons).toEqual([{ code: 'cut', detail: 'closing took longer than 30 ms' }]);
    expect([first, second].map((sent) => near.connection.wasHandedOver(sent))).toEqual([true, false]);
  });

  it('at once tells the peer why', async () => {
    const [near, far] = await connectionPair(cleanup);
    near.connection.cut('the map says so');
    expect(near.reasons).toEqual([{ code: 'cut', detail: 'the map says so' }]);
    await until(() => far.reasons.length > 0, 'the goodbye');
    expect(far.reasons).toEqual([{ code: 'closed-by-peer', detail: 'the map says so' }]);
  });

  it('by a lost connection comes once, and nothing after it', async () => {
    const [near, far] = await connectionPair(cleanup);
    near.connection.send(Buffer.from('lost'));
    far.connection.pause();
    await turn();
    await socketsOf(far).destroyed();
    await until(() => near.reasons.length > 0 && far.reasons.length > 0, 'both');
    expect(near.reasons).toHaveLength(1);
    expect(near.reasons[0]?.code).toBe('lost');
    expect(far.messages).toEqual([]);
  });
});

/** Breaks the socket under a connection, as the kernel would. */
function socketsOf({ connection }: Recorder): { destroyed(): Promise<void> } {
  return {
    destroyed: async () => {
      (connection as unknown as { socket: { destroy(): void } }).socket.destroy();
      await connection.done;
    },
  };
}
