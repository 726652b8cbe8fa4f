/** Over real sockets of libs/transport. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';
import { workerIndex } from '@diststore/cluster';
import { systemClock } from '@diststore/process';
import { eventually } from '@diststore/testing';
import { Transport } from '@diststore/transport';
import type { PeerAddress } from '@diststore/transport';

import { CONNECTING_MESSAGES_MAX } from './limits.js';
import { ReplicaLinks } from './replica-links.js';
import type { Lane, Line } from './replica-network.js';

const MESSAGE_BYTES_MAX = 64 * 1024;
const open: Peer[] = [];

class Peer {
  readonly received: { lane: Lane; line: Line; text: string }[] = [];
  readonly refused: number[] = [];
  readonly reports: string[] = [];
  readonly transport: Transport;
  readonly links: ReplicaLinks;
  readonly server: Server = createServer();
  readonly sockets: Socket[] = [];
  address: PeerAddress = { host: '127.0.0.1', port: 0 };

  constructor(
    readonly index: number,
    boot = 1,
  ) {
    const store = index.toString(16).padStart(32, '0');
    this.transport = new Transport({
      identity: { cluster: 'c'.repeat(32), worker: index, store, boot, nonce: 'a'.repeat(16) },
      clock: systemClock,
      random: Math.random,
      limits: { messageBytesMax: MESSAGE_BYTES_MAX, backoffMinMs: 5, backoffMaxMs: 20 },
    });
    this.links = new ReplicaLinks({
      transport: this.transport,
      messageBytesMax: MESSAGE_BYTES_MAX,
      report: (problem) => this.reports.push(problem),
    });
    this.links.start({
      onMessage: (lane, line, bytes) => this.received.push({ lane, line, text: bytes.toString() }),
      onRefused: (worker) => this.refused.push(worker),
    });
    this.server.on('upgrade', (request, socket, head) => {
      if (!(socket instanceof Socket)) throw new Error('an HTTP server is connected to by sockets');
      this.sockets.push(socket);
      this.transport.upgrade(request, socket, head);
    });
    open.push(this);
  }

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.address = { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
    return this;
  }

  knows(...others: Peer[]): void {
    this.links.follow(others.map(({ index, address }) => [index, address]));
  }

  send(to: Peer, lane: Lane, text: string): void {
    this.links.send(workerIndex(to.index), lane, Buffer.from(text));
  }

  texts(lane: Lane): string[] {
    return this.received.filter((message) => message.lane === lane).map(({ text }) => text);
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await this.transport.close(0);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function pair(): Promise<[Peer, Peer]> {
  const peers: [Peer, Peer] = [await new Peer(1).listen(), await new Peer(2).listen()];
  peers[0].knows(...peers);
  peers[1].knows(...peers);
  return peers;
}

describe('ReplicaLinks', () => {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((peer) => peer.close()));
  });

  it('delivers on each lane, the first message of a connection included, and says who sent it', async () => {
    const [a, b] = await pair();
    a.send(b, 'replication', 'one');
    a.send(b, 'replication', 'two');
    a.send(b, 'beacons', 'three');
    a.send(b, 'snapshots', 'four');
    await eventually('all are there', () => b.received.length === 4);
    expect(b.texts('replication')).toEqual(['one', 'two']);
    expect(b.texts('beacons')).toEqual(['three']);
    expect(b.texts('snapshots')).toEqual(['four']);
    expect(b.received[0]?.line.sender).toEqual({ worker: 1, store: '1'.padStart(32, '0'), boot: 1 });
    expect(a.transport.connections.size).toBe(3);
  });

  it('answers the same way, and sends over what the other has opened', async () => {
    const [a, b] = await pair();
    a.send(b, 'beacons', 'beacon');
    await eventually('it is there', () => b.received.length === 1);
    b.received[0]?.line.answer(Buffer.from('answer'));
    b.send(a, 'beacons', 'own');
    await eventually('both are there', () => a.received.length === 2);
    expect(a.texts('beacons')).toEqual(['answer', 'own']);
    expect(b.transport.connections.size).toBe(1);
  });

  it('says that nobody listens', async () => {
    const [a, b] = await pair();
    await b.close();
    a.send(b, 'replication', 'one');
    await eventually('it is refused', () => a.refused.length > 0);
    expect(a.refused[0]).toBe(2);
    expect(a.links.dropped).toBe(1);
  });

  it('closes a line on which nonsense comes, and counts it', async () => {
    const [a, b] = await pair();
    a.send(b, 'replication', 'nonsense');
    await eventually('it is there', () => b.received.length === 1);
    b.received[0]?.line.malformed('nonsense');
    await eventually('the line is closed', () => a.transport.connections.size === 0);
    expect(b.transport.counters.of('replication').protocolErrors).toBe(1);
    a.send(b, 'replication', 'sense');
    await eventually('there is another', () => {
      a.send(b, 'replication', 'sense');
      return b.texts('replication').includes('sense');
    });
  });

  it('holds back what can wait, and no beacon', async () => {
    const [a, b] = await pair();
    for (const lane of ['replication', 'beacons'] as const) a.send(b, lane, 'first');
    await eventually('both are there', () => b.received.length === 2);
    b.links.hold(true);
    for (const lane of ['replication', 'snapshots', 'beacons'] as const) a.send(b, lane, 'second');
    await eventually('the beacon is there', () => b.texts('beacons').length === 2);
    expect(b.texts('replication')).toEqual(['first']);
    b.links.hold(false);
    await eventually(
      'the rest is there',
      () => b.texts('replication').length === 2 && b.texts('snapshots').length === 1,
    );
  });

  it('keeps a bounded number of messages while it connects, the newest', async () => {
    const [a, b] = await pair();
    for (let i = 1; i <= CONNECTING_MESSAGES_MAX + 5; i += 1) a.send(b, 'replication', `${i}`);
    await eventually('they are there', () => b.received.length === CONNECTING_MESSAGES_MAX);
    expect(b.texts('replication').at(0)).toBe('6');
    expect(a.links.dropped).toBe(5);
  });

  it('drops a message that is too long to arrive, and says so', async () => {
    const [a, b] = await pair();
    a.send(b, 'replication', 'x'.repeat(MESSAGE_BYTES_MAX + 1));
    expect(a.reports).toHaveLength(1);
    a.send(b, 'replication', 'short');
    await eventually('the short one is there', () => b.received.length === 1);
  });

  it('drops what is for a worker that the map does not name', async () => {
    const [a, b] = await pair();
    a.knows(a);
    a.send(b, 'replication', 'one');
    expect(a.links.dropped).toBe(1);
  });
});
