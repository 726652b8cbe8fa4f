/**
 * The links of one worker with all others: the one object that a host makes.
 *
 * A channel is a name for one kind of traffic between two workers. Each has its own connections, so that a snapshot
 * delays no beacon. The worker that wants something dials: for requests from A to B and from B to A there are two
 * connections, one in each direction.
 *
 *     host of A                                            host of B
 *     requestLinks('requests').get(B) --- GET /peer ---->  serveRequests('requests', handler)
 *     links('beacons', …).get(B)      --- GET /peer ---->  serve('beacons', accept)
 *
 * Not for addresses and membership: the host follows the cluster map, and says who is admitted.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { TransportCounters } from './counters.js';
import type { PeerAddress } from './dial.js';
import { Endpoint } from './endpoint.js';
import type { Accept, EndpointOptions } from './endpoint.js';
import { PeerLink } from './peer-link.js';
import { PeerLinks } from './peer-links.js';
import { PeerListener } from './peer-listener.js';
import type { PeerConnection } from './peer-connection.js';
import { RequestLink } from './request-link.js';
import { RequestServer } from './request-server.js';
import type { RequestHandler } from './request-server.js';

export interface LinksOptions {
  /** Whether links connect by themselves and stay connected; otherwise they wait for something to send. */
  readonly eager: boolean;
}

export class Transport {
  private readonly endpoint: Endpoint;
  private readonly listener: PeerListener;
  private readonly linkSets: { close(deadlineMs: number): Promise<void> }[] = [];

  /** @throws InvariantError when identity, features or limits break their rules. */
  constructor(options: EndpointOptions) {
    this.endpoint = new Endpoint(options);
    this.listener = new PeerListener(this.endpoint);
  }

  get counters(): TransportCounters {
    return this.endpoint.counters;
  }

  /** Open now, in both directions. */
  get connections(): ReadonlySet<PeerConnection> {
    return this.endpoint.connections;
  }

  /**
   * Takes over the connection of a request with `Upgrade: diststore-peer` (UPGRADE_PROTOCOL). Bound, so that it can be
   * given away. Never throws because of what the peer sent.
   */
  readonly upgrade = (req: IncomingMessage, socket: Socket, head: Buffer): void => {
    this.listener.upgrade(req, socket, head);
  };

  /** Lets peers connect to `channel`. Once per channel. */
  serve(channel: string, accept: Accept): void {
    this.listener.serve(channel, accept);
  }

  /** Lets peers send requests on `channel`. Once per channel. */
  serveRequests(channel: string, handler: RequestHandler): void {
    const { limits } = this.endpoint;
    this.listener.serve(channel, (connection) => new RequestServer(connection, limits, handler));
  }

  /** Links for messages. None exist until the set follows an address book. */
  links(channel: string, { eager }: LinksOptions, accept: Accept): PeerLinks<PeerLink> {
    return this.newLinks((worker, address) => {
      return new PeerLink(this.endpoint, { worker, address, channel, eager }, accept);
    });
  }

  /** Links for requests. None exist until the set follows an address book. */
  requestLinks(channel: string, { eager }: LinksOptions): PeerLinks<RequestLink> {
    return this.newLinks((worker, address) => {
      return new RequestLink(this.endpoint, { worker, address, channel, eager });
    });
  }

  /**
   * Refuses new connections and closes all others in order; what takes longer than `deadlineMs` is cut, and all are
   * gone about a second later at most. May be called again. Never rejects.
   */
  async close(deadlineMs: number): Promise<void> {
    this.listener.close();
    const links = this.linkSets.map((set) => set.close(deadlineMs));
    const incoming = Array.from(this.endpoint.connections, (connection) => connection.close(deadlineMs));
    await Promise.all([...links, ...incoming]);
  }

  private newLinks<L extends PeerLink | RequestLink>(
    create: (worker: number, address: PeerAddress) => L,
  ): PeerLinks<L> {
    const set = new PeerLinks(this.endpoint.identity.worker, create);
    this.linkSets.push(set);
    return set;
  }
}
