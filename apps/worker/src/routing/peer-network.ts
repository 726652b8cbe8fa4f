/**
 * This worker's connections with the other workers: one transport, shared by whoever has something to say to them. It
 * is made when it is known which cluster this is, because that is part of every handshake; until then nobody is
 * admitted.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { Random } from '@diststore/base';
import type { ClusterId, ClusterMap } from '@diststore/cluster';
import { messageBytesMax } from '@diststore/data';
import type { Log } from '@diststore/process';
import { systemClock } from '@diststore/process';
import { PREPARE_BYTES_MAX } from '@diststore/replication';
import type { PeerAddress, PeerEvent, PeerIdentity } from '@diststore/transport';
import { describeEvent, isTrouble, Transport } from '@diststore/transport';

export interface PeerNetworkOptions {
  readonly self: Omit<PeerIdentity, 'cluster'>;
  readonly maxValueBytes: number;
  readonly random: Random;
  readonly log: Log;
}

/** Where each worker is. */
export type AddressBook = readonly (readonly [worker: number, address: PeerAddress])[];

/** What a message holds besides operation, result or entry, and a frame besides its message. */
const MARGIN_BYTES = 128 * 1024;

export class PeerNetwork {
  private transport: Transport | undefined;

  constructor(private readonly options: PeerNetworkOptions) {}

  /** Longest message that can be sent: the largest operation, behind as many log entries as are sent at a time. */
  get messageBytesMax(): number {
    return messageBytesMax({ maxValueBytes: this.options.maxValueBytes }) + PREPARE_BYTES_MAX + MARGIN_BYTES;
  }

  /** The transport, made at the first call. REQUIRES: the same cluster at every call. */
  join(cluster: ClusterId): Transport {
    if (this.transport !== undefined) return this.transport;
    const { self, random, log } = this.options;
    const { messageBytesMax: bytesMax } = this;
    this.transport = new Transport({
      identity: { ...self, cluster },
      limits: { messageBytesMax: bytesMax, sendQueueBytesMax: 2 * (bytesMax + MARGIN_BYTES) },
      clock: systemClock,
      random,
      onEvent: (event, suppressed) => logEvent(log, event, suppressed),
    });
    return this.transport;
  }

  /** Takes over a connection that a peer has opened. */
  readonly upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    if (this.transport === undefined) socket.destroy();
    else this.transport.upgrade(request, socket, head);
  };

  async close(deadlineMs: number): Promise<void> {
    await this.transport?.close(deadlineMs);
  }
}

/** All that are not removed. */
export function addressBookOf(map: ClusterMap): AddressBook {
  const present = map.workers().filter(({ state }) => state !== 'removed');
  return present.map(({ index, http }) => [index, http]);
}

function logEvent(log: Log, event: PeerEvent, suppressed: number): void {
  if (!isTrouble(event)) return;
  log.warn(`${describeEvent(event)}${suppressed > 0 ? ` (and ${suppressed} times before)` : ''}`);
}
