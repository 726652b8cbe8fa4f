/**
 * Every bound of the links between workers, each with its reason and what happens at it.
 *
 * Relations, checked once at the start:
 * - sendQueueBytesMax >= 2 frames of messageBytesMax, so that a queue at half always has room for any message.
 * - silenceMs >= 3 * heartbeatMs, so that one late heartbeat does not cut a healthy connection.
 * - backoffMinMs <= backoffMaxMs.
 */
import { invariant } from '@diststore/base';

import { FRAME_HEADER_BYTES } from './frame.js';

const KIB = 1024;
const MIB = 1024 * KIB;

export interface TransportLimits {
  /** Of one message. Keep it a bit above maxValueBytes. Longer: not accepted here; from a peer: the connection closes. */
  readonly messageBytesMax: number;
  /** Accepted and not yet written, per connection. Beyond: messages are refused. */
  readonly sendQueueBytesMax: number;
  /** A connection on which nothing was sent for so long sends a ping. */
  readonly heartbeatMs: number;
  /**
   * Without a byte from the peer. Beyond: the connection is closed, at most 2 * heartbeatMs later. If three heartbeats
   * of the peer, which its hello announces, are longer, they count instead.
   */
  readonly silenceMs: number;
  /** From dialling to the end of the handshake. Beyond: the attempt has failed. */
  readonly handshakeTimeoutMs: number;
  /** Between two attempts: at first, and at most. Half of each wait is random. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** So long a peer may fail to be reached before that is reported: one that is starting is there in a moment. */
  readonly dialPatienceMs: number;
  /** Connections opened by peers, at once. Beyond: refused. */
  readonly incomingMax: number;
  /** Requests of one channel to one peer that await their answer. Beyond: not sent. */
  readonly requestsMax: number;
  /** Requests of one connection that are being served. Beyond: nothing more is read from it for a while. */
  readonly servedMax: number;
  /** Of answers that wait for room in a connection's send queue. Beyond: the requester is told that its answer is lost. */
  readonly answerBacklogBytesMax: number;
}

export const DEFAULT_TRANSPORT_LIMITS: TransportLimits = {
  // The default maxValueBytes, and room for a key, headers and the fields of whatever carries them.
  messageBytesMax: 16 * MIB + 64 * KIB,
  // Two of the largest messages, and then some: one being written, one waiting.
  sendQueueBytesMax: 34 * MIB,
  heartbeatMs: 500,
  // The promise of a follower at default timing: a link should not be slower to judge than replication is.
  silenceMs: 3_000,
  handshakeTimeoutMs: 2_000,
  backoffMinMs: 50,
  // A worker that came back is found again within a failover's time.
  backoffMaxMs: 2_000,
  dialPatienceMs: 1_000,
  // 999 peers with four channels each.
  incomingMax: 4_096,
  requestsMax: 1_024,
  servedMax: 256,
  answerBacklogBytesMax: 64 * MIB,
};

/**
 * @returns the defaults with `changes` in place.
 * @throws InvariantError when a relation does not hold.
 */
export function transportLimits(changes: Partial<TransportLimits> = {}): TransportLimits {
  const limits = { ...DEFAULT_TRANSPORT_LIMITS, ...changes };
  for (const [name, value] of Object.entries(limits))
    invariant(
      Number.isSafeInteger(value) && value >= 1,
      'a limit of the transport is a whole number from 1',
      {
        name,
        value,
      },
    );
  invariant(limits.messageBytesMax <= 2 ** 30, 'messageBytesMax is at most 1 GiB', { limits });
  invariant(
    limits.sendQueueBytesMax >= 2 * (limits.messageBytesMax + FRAME_HEADER_BYTES),
    'sendQueueBytesMax holds two messages of messageBytesMax',
    { limits },
  );
  invariant(limits.silenceMs >= 3 * limits.heartbeatMs, 'silenceMs is at least three times heartbeatMs', {
    limits,
  });
  invariant(limits.backoffMinMs <= limits.backoffMaxMs, 'backoffMinMs <= backoffMaxMs', { limits });
  return limits;
}
