/**
 * What a replica host needs of the network: best effort, bounded, and honest about who sent what.
 *
 * Three lanes, so that none delays another: a snapshot holds up no entry, and nothing holds up a beacon. Within a lane
 * messages may be lost, repeated or overtake each other; the protocol minds none of it.
 */
import type { StoreId, WorkerIndex } from '@diststore/cluster';

export const LANES = ['replication', 'beacons', 'snapshots'] as const;
export type Lane = (typeof LANES)[number];

/** Who is at the other end, as the handshake of the connection said: never as a message says. */
export interface Sender {
  readonly worker: WorkerIndex;
  readonly store: StoreId;
  readonly boot: number;
}

/** What a message came over. */
export interface Line {
  readonly sender: Sender;
  /** Sends back the same way, if it is still open. */
  answer(bytes: Uint8Array): void;
  /** Closes the line: what came over it is none of its lane. */
  malformed(detail: string): void;
}

export interface NetworkHandler {
  /** The bytes belong to the handler and are never written again. */
  onMessage(lane: Lane, line: Line, bytes: Buffer): void;
  /** Connecting was refused: nobody listens there. */
  onRefused(worker: WorkerIndex): void;
}

export interface ReplicaNetwork {
  /** Begins to deliver. Called once, before anything is sent. */
  start(handler: NetworkHandler): void;
  /** Best effort. The bytes never change again. */
  send(to: WorkerIndex, lane: Lane, bytes: Uint8Array): void;
  /** Reads nothing more of the lanes `replication` and `snapshots`, or goes on: what is sent there waits at the sender. */
  hold(held: boolean): void;
}
