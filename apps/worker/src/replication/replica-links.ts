/**
 * The network of a replica host over libs/transport: one channel for each lane, so three connections between two
 * workers that have something to say to each other.
 *
 *     A ── dials `replication` ──► B         both ends send and receive over it; if B dials as well, there are two,
 *     A ◄─ dials `replication` ─── B         and each end sends over the first that is open
 *
 * Connections are made when something is to be sent. A worker that just came back dials, and is answered the same
 * way at once, although a link towards it may still wait between two attempts.
 *
 * Everything that is sent in one turn of the event loop leaves in one write (PeerConnection.send), so a turn of many
 * partitions costs one system call for each worker.
 */
import { workerIndex } from '@diststore/cluster';
import type { StoreId, WorkerIndex } from '@diststore/cluster';
import type {
  Consumer,
  PeerAddress,
  PeerConnection,
  PeerLink,
  PeerLinks,
  Transport,
} from '@diststore/transport';

import { CONNECTING_BYTES_MAX, CONNECTING_MESSAGES_MAX } from './limits.js';
import { LANES } from './replica-network.js';
import type { Lane, Line, NetworkHandler, ReplicaNetwork } from './replica-network.js';

export interface ReplicaLinksOptions {
  readonly transport: Transport;
  /** As the transport's: a longer message is dropped and reported, for it can never arrive. */
  readonly messageBytesMax: number;
  readonly report: (problem: string) => void;
}

/** How Node names it. */
const REFUSED = 'ECONNREFUSED';

export class ReplicaLinks implements ReplicaNetwork {
  private readonly lanes: Readonly<Record<Lane, LaneLinks>>;
  private handler: NetworkHandler | undefined;
  private held = false;

  constructor(private readonly options: ReplicaLinksOptions) {
    this.lanes = {
      replication: new LaneLinks('replication', this, options),
      beacons: new LaneLinks('beacons', this, options),
      snapshots: new LaneLinks('snapshots', this, options),
    };
  }

  start(handler: NetworkHandler): void {
    this.handler = handler;
  }

  /** Makes the links match the cluster map: every other worker that is not removed, and where it is. */
  follow(book: readonly (readonly [worker: number, address: PeerAddress])[]): void {
    for (const lane of LANES) this.lanes[lane].links.follow(book);
  }

  send(to: WorkerIndex, lane: Lane, bytes: Uint8Array): void {
    const { messageBytesMax, report } = this.options;
    if (bytes.length > messageBytesMax) {
      report(
        `A message of ${bytes.length} bytes to worker ${to} is dropped: the limit is ${messageBytesMax}.`,
      );
      return;
    }
    this.lanes[lane].send(to, asBuffer(bytes));
  }

  hold(held: boolean): void {
    if (this.held === held) return;
    this.held = held;
    for (const lane of [this.lanes.replication, this.lanes.snapshots]) lane.hold(held);
  }

  get isHeld(): boolean {
    return this.held;
  }

  /** Messages that were dropped because there was no way to send them. */
  get dropped(): number {
    return LANES.reduce((sum, lane) => sum + this.lanes[lane].dropped, 0);
  }

  receive(lane: Lane, line: Line, bytes: Buffer): void {
    this.handler?.onMessage(lane, line, bytes);
  }

  refused(worker: number): void {
    this.handler?.onRefused(workerIndex(worker));
  }
}

/** One lane. */
class LaneLinks {
  readonly links: PeerLinks<PeerLink>;
  dropped = 0;
  /** By worker, those that opened first first. */
  private readonly open = new Map<number, PeerConnection[]>();
  private readonly connecting = new Map<number, { messages: Buffer[]; bytes: number }>();

  constructor(
    private readonly lane: Lane,
    private readonly owner: ReplicaLinks,
    { transport }: ReplicaLinksOptions,
  ) {
    const accept = (connection: PeerConnection): Consumer => this.accept(connection);
    transport.serve(lane, accept);
    this.links = transport.links(lane, { eager: false }, accept);
  }

  send(to: WorkerIndex, bytes: Buffer): void {
    const connections = this.open.get(to);
    if (connections !== undefined) {
      for (const connection of connections) if (connection.send(bytes) > 0) return;
      this.dropped += 1;
      return;
    }
    this.connect(to, bytes);
  }

  hold(held: boolean): void {
    for (const connections of this.open.values())
      for (const connection of connections) {
        if (held) connection.pause();
        else connection.resume();
      }
  }

  /** Keeps what is to be sent until the connection that it asks for is made, or is not. */
  private connect(to: WorkerIndex, bytes: Buffer): void {
    const link = this.links.get(to);
    if (link === undefined) {
      this.dropped += 1;
      return;
    }
    let waiting = this.connecting.get(to);
    if (waiting === undefined) {
      waiting = { messages: [], bytes: 0 };
      this.connecting.set(to, waiting);
      void link.opened().then((opening) => {
        this.connecting.delete(to);
        const { messages } = waiting ?? { messages: [] };
        if ('connection' in opening) {
          for (const message of messages) if (opening.connection.send(message) === 0) this.dropped += 1;
          return;
        }
        this.dropped += messages.length;
        if (opening.reason === REFUSED) this.owner.refused(to);
      });
    }
    waiting.messages.push(bytes);
    waiting.bytes += bytes.length;
    while (waiting.messages.length > CONNECTING_MESSAGES_MAX || waiting.bytes > CONNECTING_BYTES_MAX) {
      waiting.bytes -= waiting.messages.shift()?.length ?? 0;
      this.dropped += 1;
    }
  }

  private accept(connection: PeerConnection): Consumer {
    const { worker, store, boot } = connection.peer;
    const list = this.open.get(worker);
    if (list === undefined) this.open.set(worker, [connection]);
    else list.push(connection);
    if (this.owner.isHeld && this.lane !== 'beacons') setImmediate(() => this.holdIfHeld(connection));
    const line: Line = {
      sender: { worker: workerIndex(worker), store: store as StoreId, boot },
      answer: (bytes) => {
        if (connection.send(asBuffer(bytes)) === 0) this.dropped += 1;
      },
      malformed: (detail) => connection.protocolError(detail),
    };
    return {
      onMessage: (message) => this.owner.receive(this.lane, line, message),
      onClose: () => this.forget(connection),
    };
  }

  /** A connection is paused only after it was started. */
  private holdIfHeld(connection: PeerConnection): void {
    if (this.owner.isHeld) connection.pause();
  }

  private forget(connection: PeerConnection): void {
    const { worker } = connection.peer;
    const left = this.open.get(worker)?.filter((other) => other !== connection) ?? [];
    if (left.length === 0) this.open.delete(worker);
    else this.open.set(worker, left);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
