/**
 * Requests and their answers over one connection, from the side that serves. Requests begin in the order in which they
 * came; answers leave in the order in which the handler gives them.
 *
 * Bounds: at servedMax requests under way, nothing more is read from the connection until half of them are answered.
 * Answers that find the send queue full wait here, up to answerBacklogBytesMax, and meanwhile nothing is read either;
 * beyond, a requester is told that its answer is lost.
 */
import { invariant } from '@diststore/base';

import type { TransportLimits } from './limits.js';
import { bytesOf, piecesOf } from './message.js';
import type { Message } from './message.js';
import type { Consumer, PeerConnection } from './peer-connection.js';
import {
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  bodyOf,
  kindOfMessage,
  messageHeader,
  requestNumberOf,
} from './request-message.js';
import type { MessageKind } from './request-message.js';

/**
 * Serves one request: must call exactly one method of `reply` in the end, at once or later. Must not throw.
 * `request` belongs to the handler; it may be a view of a 64 KiB chunk, so who keeps a small one for long copies it.
 */
export type RequestHandler = (request: Buffer, reply: Reply, from: PeerConnection) => void;

export interface Reply {
  /** False once nobody waits any more because the connection is gone; `send` may still be called. */
  readonly isAwaited: boolean;
  /**
   * Answers. REQUIRES: the bytes never change again, they belong to the connection.
   * An answer longer than a message may be is not sent: the requester is told that it is lost.
   */
  send(answer: Message): void;
  /** Answers that the request was not acted on and never will be. */
  decline(): void;
}

export class RequestServer implements Consumer {
  private underWay = 0;
  /** Answers that found the send queue full. */
  private backlog: { readonly pieces: readonly Buffer[]; readonly bytes: number }[] = [];
  private backlogBytes = 0;
  private paused = false;
  private closed = false;
  private lastRequestCame = false;
  private onDrained: (() => void) | undefined = undefined;

  constructor(
    private readonly connection: PeerConnection,
    private readonly limits: TransportLimits,
    private readonly handler: RequestHandler,
  ) {}

  /** Requests whose handler has not answered. */
  get underWayCount(): number {
    return this.underWay;
  }

  onMessage(message: Buffer): void {
    const kind = kindOfMessage(message);
    switch (kind) {
      case MESSAGE.request:
        this.underWay++;
        this.adaptReading();
        this.handler(bodyOf(message), new OneReply(this, requestNumberOf(message)), this.connection);
        return;
      case MESSAGE.lastRequest:
        this.lastRequestCame = true;
        this.noteDrained();
        return;
      default:
        this.connection.protocolError(`a server does not receive messages of kind ${kind}`);
    }
  }

  onClose(): void {
    this.closed = true;
    this.backlog = [];
    this.noteDrained();
  }

  /** Asks the peer to send no more, and settles when all that it has sent is answered. */
  drain(): Promise<void> {
    const asked = this.connection.send(messageHeader(MESSAGE.lastOrders, 0)) > 0;
    // With a full queue it cannot be asked; what is under way is still answered.
    if (!asked) this.lastRequestCame = true;
    return new Promise((resolve) => {
      this.onDrained = resolve;
      this.noteDrained();
    });
  }

  get isOpen(): boolean {
    return !this.closed;
  }

  /** For OneReply, once for each request. */
  finish(kind: MessageKind, number: number, body: readonly Buffer[]): void {
    this.underWay--;
    if (this.closed) return;
    const bytes = MESSAGE_HEADER_BYTES + bytesOf(body);
    if (bytes > this.limits.messageBytesMax) this.sendOrKeep([messageHeader(MESSAGE.answerLost, number)]);
    else if (this.backlogBytes + bytes > this.limits.answerBacklogBytesMax && this.backlog.length > 0)
      this.sendOrKeep([messageHeader(MESSAGE.answerLost, number)]);
    else this.sendOrKeep([messageHeader(kind, number), ...body]);
    this.adaptReading();
    this.noteDrained();
  }

  private sendOrKeep(pieces: readonly Buffer[]): void {
    // Behind those that wait, or a large one would wait forever.
    if (this.backlog.length === 0 && this.connection.send(pieces) > 0) return;
    const bytes = bytesOf(pieces);
    this.backlog.push({ pieces, bytes });
    this.backlogBytes += bytes;
    if (this.backlog.length === 1) void this.sendBacklog();
  }

  /** Runs while answers wait. */
  private async sendBacklog(): Promise<void> {
    // The connection may close while this waits: then `room` is false, and the backlog is gone.
    while (this.backlog.length > 0 && (await this.connection.room())) {
      let count = 0;
      for (const { pieces, bytes } of this.backlog) {
        if (this.connection.send(pieces) === 0) break;
        this.backlogBytes -= bytes;
        count++;
      }
      this.backlog.splice(0, count);
      this.adaptReading();
      this.noteDrained();
    }
  }

  private adaptReading(): void {
    const { servedMax } = this.limits;
    if (this.paused) {
      if (this.underWay > servedMax / 2 || this.backlog.length > 0) return;
      this.paused = false;
      this.connection.resume();
    } else if (this.underWay >= servedMax || this.backlog.length > 0) {
      this.paused = true;
      this.connection.pause();
    }
  }

  private noteDrained(): void {
    if (this.onDrained === undefined) return;
    if (!this.closed && !(this.lastRequestCame && this.underWay === 0 && this.backlog.length === 0)) return;
    this.onDrained();
    this.onDrained = undefined;
  }
}

class OneReply implements Reply {
  private answered = false;

  constructor(
    private readonly server: RequestServer,
    private readonly number: number,
  ) {}

  get isAwaited(): boolean {
    return this.server.isOpen && !this.answered;
  }

  send(answer: Message): void {
    this.finish(MESSAGE.answer, piecesOf(answer));
  }

  decline(): void {
    this.finish(MESSAGE.declined, []);
  }

  private finish(kind: MessageKind, body: readonly Buffer[]): void {
    invariant(!this.answered, 'a request is answered once');
    this.answered = true;
    this.server.finish(kind, this.number, body);
  }
}
