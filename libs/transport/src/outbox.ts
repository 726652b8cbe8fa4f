/**
 * Writes what a connection sends: bounded, in order, and few writes for many messages.
 *
 * - What is sent in one turn of the event loop leaves in one write at its end.
 * - One write is under way at a time. What comes meanwhile waits here rather than in Node, so that it is known not to
 *   have been sent if the connection breaks.
 * - Accepted and not yet written is at most `bytesMax`; what would pass it is refused.
 */
import type { Socket } from 'node:net';

import type { ChannelCounters } from './counters.js';
import { FRAME, FRAME_HEADER_BYTES, controlFrame } from './frame.js';
import { SendQueue } from './send-queue.js';

/** How much is handed to the kernel at once: enough for its speed, little enough to know what was not sent. */
const WRITE_BYTES_MIN = 1024 * 1024;
const PING = controlFrame(FRAME.ping);

export class Outbox {
  private readonly queue = new SendQueue();
  private writing = false;
  private flushScheduled = false;
  private stopped = false;
  private emptied: (() => void) | undefined = undefined;
  /** Shared by all who wait for room. */
  private waiting: { promise: Promise<boolean>; resolve: (room: boolean) => void } | undefined = undefined;

  constructor(
    private readonly socket: Socket,
    private readonly bytesMax: number,
    private readonly counters: ChannelCounters,
  ) {}

  /** Accepted and not yet written, frame headers included. */
  get bytes(): number {
    return this.queue.bytes;
  }

  /** Queues a message. @returns where it ends in the stream of bytes, or 0: refused, for lack of room. */
  send(pieces: readonly Buffer[], bytes: number): number {
    if (this.queue.bytes + FRAME_HEADER_BYTES + bytes > this.bytesMax) {
      this.counters.sendsRefused++;
      return 0;
    }
    this.counters.messagesSent++;
    const end = this.queue.push(FRAME.message, pieces, bytes);
    this.scheduleFlush();
    return end;
  }

  /** Whether the message that ends at `end` was handed to the kernel, or to Node for it, as a whole. */
  wasHandedOver(end: number): boolean {
    return end <= this.queue.handedOver;
  }

  /** Sends a ping, unless bytes are on their way that say the same. */
  ping(): void {
    if (this.queue.bytes > 0) return;
    this.queue.shrink();
    this.queue.pushWhole(PING);
    this.flush();
  }

  /** Queues a last frame, whatever the bound, and calls `emptied` when it and all before it are written. */
  finish(lastFrame: Buffer, emptied: () => void): void {
    this.emptied = emptied;
    this.queue.pushWhole(lastFrame);
    this.scheduleFlush();
  }

  /** Settles when the queue is at most half full (true), or the outbox is stopped (false). */
  room(): Promise<boolean> {
    if (this.stopped) return Promise.resolve(false);
    if (this.isHalfEmpty()) return Promise.resolve(true);
    if (this.waiting === undefined) {
      let resolve: (room: boolean) => void = () => undefined;
      const promise = new Promise<boolean>((r) => (resolve = r));
      this.waiting = { promise, resolve };
    }
    return this.waiting.promise;
  }

  /** Writes nothing more and forgets what waits. What was handed over stays known. */
  stop(): void {
    this.stopped = true;
    this.queue.abandon();
    this.settleRoom(false);
  }

  private scheduleFlush(): void {
    if (this.writing || this.flushScheduled) return;
    this.flushScheduled = true;
    setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    this.flushScheduled = false;
    if (this.writing || this.stopped) return;
    const before = this.queue.handedOver;
    const buffers = this.queue.take(WRITE_BYTES_MIN);
    const last = buffers.pop();
    if (last === undefined) return;
    this.counters.bytesSent += this.queue.handedOver - before;
    this.writing = true;
    this.socket.cork();
    for (const buffer of buffers) this.socket.write(buffer);
    this.socket.write(last, this.onWritten);
    this.socket.uncork();
  };

  /** Node calls it in a later turn than the write, or in the same one but not within it: no recursion. */
  private readonly onWritten = (error?: Error | null): void => {
    // An error has its own event, and ends the connection.
    if (error !== undefined && error !== null) return;
    this.writing = false;
    this.queue.release();
    if (this.stopped) return;
    if (this.waiting !== undefined && this.isHalfEmpty()) this.settleRoom(true);
    if (this.queue.hasWaiting) this.flush();
    else this.emptied?.();
  };

  private isHalfEmpty(): boolean {
    return this.queue.bytes <= this.bytesMax / 2;
  }

  private settleRoom(room: boolean): void {
    this.waiting?.resolve(room);
    this.waiting = undefined;
  }
}
