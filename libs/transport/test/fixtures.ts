/** Peers for tests: real sockets on ports of the system's choice, and a transport with its HTTP server. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { Socket, connect, createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import type { Clock } from '@diststore/base';

import type { CloseReason } from '../src/close-reason.js';
import { TransportCounters } from '../src/counters.js';
import type { ChannelCounters } from '../src/counters.js';
import type { PeerAddress } from '../src/dial.js';
import { HELLO_HEADER, UPGRADE_PROTOCOL, encodeHello } from '../src/hello.js';
import type { Hello, PeerIdentity } from '../src/hello.js';
import { transportLimits } from '../src/limits.js';
import type { TransportLimits } from '../src/limits.js';
import { PeerConnection } from '../src/peer-connection.js';
import type { PeerConnectionOptions } from '../src/peer-connection.js';
import type { PeerEvent } from '../src/peer-event.js';
import { Transport } from '../src/transport.js';
import type { EndpointOptions } from '../src/endpoint.js';
import type { Cleanup } from './until.js';

export const systemClock: Clock = {
  wallNowMs: () => Date.now(),
  monotonicNowMs: () => performance.now(),
};

export const CLUSTER = 'c'.repeat(32);

export function identityOf(worker: number, changes: Partial<PeerIdentity> = {}): PeerIdentity {
  const store = worker.toString(16).padStart(32, '0');
  return { cluster: CLUSTER, worker, store, boot: 1, nonce: 'a'.repeat(16), ...changes };
}

/** What worker 2 says to worker 1, unless changed. */
export function helloOf(changes: Partial<Hello> = {}): Hello {
  return {
    protocolMin: 1,
    protocolMax: 1,
    features: [],
    ...identityOf(2),
    channel: 'test',
    heartbeatMs: 500,
    to: 1,
    ...changes,
  };
}

/** Node types the connections of an HTTP server as any stream. */
export function socketOf(stream: Duplex): Socket {
  if (!(stream instanceof Socket)) throw new Error('an HTTP server is connected to by sockets');
  return stream;
}

/** Two ends of one TCP connection. */
export async function socketPair(cleanup: Cleanup): Promise<[Socket, Socket]> {
  const server = createNetServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  for (const socket of [near, far]) {
    socket.on('error', () => undefined);
    cleanup.add(() => socket.destroy());
  }
  return [near, far];
}

/** A connection that keeps what it is told. */
export class Recorder {
  readonly messages: Buffer[] = [];
  readonly reasons: CloseReason[] = [];
  readonly connection: PeerConnection;
  readonly counters: ChannelCounters;
  /** Called for each message, after it was recorded. */
  onRecorded: (message: Buffer) => void = () => undefined;

  constructor(
    socket: Socket,
    limits: Partial<TransportLimits> = {},
    changes: Partial<PeerConnectionOptions> = {},
  ) {
    this.counters = new TransportCounters().of('test');
    this.connection = new PeerConnection({
      socket,
      head: Buffer.alloc(0),
      peer: helloOf({ heartbeatMs: 1 }),
      direction: 'incoming',
      limits: transportLimits(limits),
      counters: this.counters,
      protocol: 1,
      features: new Set(),
      onFinished: () => undefined,
      ...changes,
    });
    this.connection.start({
      onMessage: (message) => {
        this.messages.push(message);
        this.onRecorded(message);
      },
      onClose: (reason) => {
        this.reasons.push(reason);
      },
    });
  }

  get texts(): string[] {
    return this.messages.map(String);
  }
}

/** Two connections, one at each end. */
export async function connectionPair(
  cleanup: Cleanup,
  limits: Partial<TransportLimits> = {},
): Promise<[Recorder, Recorder]> {
  const [near, far] = await socketPair(cleanup);
  return [new Recorder(near, limits), new Recorder(far, limits)];
}

/** A worker's transport behind an HTTP server, with everything it reports. */
export class Host {
  readonly events: PeerEvent[] = [];
  readonly transport: Transport;
  readonly server: Server = createServer((_req, res) => {
    res.writeHead(404).end('no such route');
  });
  /** Sockets that were handed over by the server. */
  readonly upgraded: Socket[] = [];
  address: PeerAddress = { host: '127.0.0.1', port: 0 };

  constructor(identity: PeerIdentity, options: Partial<EndpointOptions> = {}) {
    this.transport = new Transport({
      identity,
      clock: systemClock,
      random: () => Math.random(),
      onEvent: (event) => this.events.push(event),
      ...options,
      // Quick to try again, so that tests are quick.
      limits: { backoffMinMs: 5, backoffMaxMs: 20, dialPatienceMs: 1, ...options.limits },
    });
    this.server.on('upgrade', (req, stream, head) => {
      const socket = socketOf(stream);
      this.upgraded.push(socket);
      this.transport.upgrade(req, socket, head);
    });
  }

  /** @param port 0: of the system's choice. */
  async listen(cleanup: Cleanup, port = 0): Promise<this> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    this.address = { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
    cleanup.add(() => this.stop());
    return this;
  }

  /** As if the process were killed: every socket is gone at once, and the port is free. */
  async stop(): Promise<void> {
    for (const socket of this.upgraded) socket.destroy();
    await this.transport.close(0);
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  eventsOf(type: PeerEvent['type']): PeerEvent[] {
    return this.events.filter((event) => event.type === type);
  }

  /** Codes and details of everything reported, as one text. */
  get log(): string {
    return JSON.stringify(this.events);
  }
}

/** An HTTP server that grants every upgrade with `hello`, and leaves the socket to the test. */
export async function grantingServer(
  cleanup: Cleanup,
  hello: Hello,
): Promise<{ address: PeerAddress; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer();
  server.on('upgrade', (_req, stream) => {
    const socket = socketOf(stream);
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n` +
        `${HELLO_HEADER}: ${encodeHello(hello)}\r\n\r\n`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.add(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, sockets };
}
