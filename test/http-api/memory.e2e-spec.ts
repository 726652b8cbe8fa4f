/**
 * Slow clients and the largest values: what the bodies of all of them take is bounded, and the client beyond the bound
 * is told to come back. The bound is BODY_BYTES_IN_FLIGHT_MAX, 256 MiB; what the process grows by is held against it.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';
import { type App, useSandbox } from '@diststore/testing';

import { expectProblem } from '../e2e/problem.js';

const MIB = 1024 * 1024;
const VALUE_BYTES = 16 * MIB;
const BODY_BYTES_IN_FLIGHT_MAX = 256 * MIB;
const FITTING = BODY_BYTES_IN_FLIGHT_MAX / VALUE_BYTES;
const CLIENTS = 128;
/**
 * Beside the bodies in flight: LevelDB's buffers and cache, the copies of values that are being stored, and values that
 * were read only to be refused, until the collector gets to them. Without the bound it would be 2 GiB more.
 */
const OTHER_BYTES_MAX = 512 * MIB;

/** For reading CLIENTS values, 2 GiB, on a machine that has other things to do. */
const ALL_READ_MS = 120_000;

const sandbox = useSandbox('each');
let sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
});

function rssBytes({ process: { pid } }: App): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

/** A client that sends `head`, and reads no more than the beginning of what it is answered. */
interface Stalled {
  readonly socket: Socket;
  /** Undefined until an answer has begun; 0: closed without one. */
  status: number | undefined;
}

async function stalled(app: App, head: string): Promise<Stalled> {
  const socket = connect(app.port, '127.0.0.1');
  const client: Stalled = { socket, status: undefined };
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.once('close', () => (client.status ??= 0));
  socket.once('data', (bytes: Buffer) => {
    socket.pause();
    client.status = Number(/^HTTP\/1\.1 (\d+)/.exec(bytes.toString('latin1'))?.[1]);
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  socket.write(head);
  return client;
}

function withStatus(clients: readonly Stalled[], status: number | undefined): Stalled[] {
  return clients.filter((client) => client.status === status);
}

describe('memory', () => {
  it(`of ${CLIENTS} clients that do not read: ${FITTING} are served, the others get 429, and others go on`, async () => {
    const app = await sandbox().startWorker();
    const value = Buffer.alloc(VALUE_BYTES, 'v');
    await app.http.put('/v1/kv/large', value);
    await app.http.put('/v1/kv/small', 'small');
    const before = rssBytes(app);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => stalled(app, 'GET /v1/kv/large HTTP/1.1\r\nHost: x\r\n\r\n')),
    );
    await sandbox().eventually('all are answered', () => withStatus(clients, undefined).length === 0, {
      deadlineMs: ALL_READ_MS,
    });
    const served = withStatus(clients, 200).length;
    expect(served).toBeLessThanOrEqual(FITTING);
    expect(served).toBeGreaterThan(FITTING / 2);
    expect(clients.map(({ status }) => status).filter((status) => status !== 200 && status !== 429)).toEqual(
      [],
    );
    expect(rssBytes(app) - before).toBeLessThan(BODY_BYTES_IN_FLIGHT_MAX + OTHER_BYTES_MAX);
    expect((await app.http.get('/v1/kv/small')).text).toBe('small');
    for (const { socket } of clients) socket.destroy();
    // What they held is given back.
    await sandbox().eventually('the value can be had again', async () => {
      const answer = await app.http.get('/v1/kv/large');
      return answer.status === 200 && answer.body.equals(value);
    });
  }, 180_000);

  it(`of ${CLIENTS} clients that send slowly: ${FITTING} are read, the others get 429 at once`, async () => {
    const app = await sandbox().startWorker();
    const before = rssBytes(app);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, (_, i) =>
        stalled(app, `PUT /v1/kv/k${i} HTTP/1.1\r\nHost: x\r\nContent-Length: ${VALUE_BYTES}\r\n\r\n`),
      ),
    );
    await sandbox().eventually(
      'those beyond the bound are refused',
      () => withStatus(clients, 429).length === CLIENTS - FITTING,
    );
    expectProblem(await app.http.put('/v1/kv/more', Buffer.alloc(VALUE_BYTES)), {
      status: 429,
      code: 'too-many-requests',
    });
    const read = withStatus(clients, undefined);
    expect(read).toHaveLength(FITTING);
    const most = Buffer.alloc(VALUE_BYTES - 1, 'v');
    await Promise.all(read.map(({ socket }) => new Promise((resolve) => socket.write(most, resolve))));
    expect(rssBytes(app) - before).toBeLessThan(BODY_BYTES_IN_FLIGHT_MAX + OTHER_BYTES_MAX);
    // One after the other: what waits for the disk at once has a bound of its own.
    for (const client of read) {
      client.socket.write('v');
      await sandbox().eventually('the value is stored', () => client.status === 201);
    }
    expect((await app.http.put('/v1/kv/more', Buffer.alloc(VALUE_BYTES))).status).toBe(201);
  });
});
