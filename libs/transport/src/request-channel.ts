/**
 * Requests and their answers over one connection, from the side that asks. Any number is under way at once, up to a
 * bound; answers come in any order.
 *
 * Every request has exactly one outcome, and it is honest about what may have happened:
 * - `answered`;
 * - `not-sent`: the server has not acted on it and never will, so it may be sent again, anywhere;
 * - `unknown`: it may have been acted on.
 *
 * Why a request past its deadline is unknown even if it has not left this process: it is in the queue, and will leave.
 */
import type { Clock } from '@diststore/base';
import { invariant } from '@diststore/base';

import type { CloseReason } from './close-reason.js';
import type { ChannelCounters } from './counters.js';
import type { TransportLimits } from './limits.js';
import { bytesOf, piecesOf } from './message.js';
import type { Message } from './message.js';
import type { Consumer, PeerConnection } from './peer-connection.js';
import {
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  REQUEST_NUMBER_MAX,
  bodyOf,
  kindOfMessage,
  messageHeader,
  requestNumberOf,
} from './request-message.js';

export type NotSentReason =
  /** There is no connection, and none could be made. */
  | 'not-connected'
  /** The connection was lost, or closed, before the request was handed to the kernel. */
  | 'connection-lost'
  /** The peer takes no more requests, or this side sends none any more. */
  | 'draining'
  /** The server says that it has not acted on the request. */
  | 'declined'
  /** As many requests as allowed await their answer, or the send queue is full. */
  | 'busy'
  /** It is longer than a message may be. */
  | 'too-large'
  /** The deadline passed before it could be sent. */
  | 'deadline';

export type UnknownReason =
  | 'deadline'
  | 'connection-lost'
  /** The server has acted, but could not send its answer. */
  | 'answer-lost';

export type RequestOutcome =
  /** `answer` belongs to the requester; it may be a view of a 64 KiB chunk. */
  | { readonly outcome: 'answered'; readonly answer: Buffer }
  | { readonly outcome: 'not-sent'; readonly reason: NotSentReason; readonly detail: string }
  | { readonly outcome: 'unknown'; readonly reason: UnknownReason; readonly detail: string };

export interface RequestChannelOptions {
  readonly limits: TransportLimits;
  readonly counters: ChannelCounters;
  readonly clock: Clock;
}

interface Pending {
  /** As PeerConnection.send numbered its message. */
  readonly sent: number;
  readonly deadlineAtMs: number;
  readonly resolve: (outcome: RequestOutcome) => void;
}

/** How often deadlines are looked at, so how late one can be. One timer for all is far cheaper than one for each. */
const DEADLINE_GRAIN_MS = 20;

export class RequestChannel implements Consumer {
  private readonly pending = new Map<number, Pending>();
  private lastNumber = 0;
  private state: 'open' | 'peer-drains' | 'draining' | 'closed' = 'open';
  private onIdle: (() => void) | undefined = undefined;
  private sweeper: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly connection: PeerConnection,
    private readonly options: RequestChannelOptions,
  ) {}

  /** Requests that await their outcome. */
  get pendingCount(): number {
    return this.pending.size;
  }

  /**
   * Sends one request and waits for its outcome. Never rejects.
   * REQUIRES: the bytes never change again, they belong to the connection.
   * @param deadlineMs from now; the outcome may come a little later, by DEADLINE_GRAIN_MS.
   */
  request(body: Message, deadlineMs: number): Promise<RequestOutcome> {
    const { limits, clock } = this.options;
    const pieces = piecesOf(body);
    if (this.state !== 'open') return this.notSent('draining', `the channel is ${this.state}`);
    if (deadlineMs <= 0) return this.notSent('deadline', 'the deadline has passed');
    if (this.pending.size >= limits.requestsMax)
      return this.notSent('busy', `${limits.requestsMax} requests await their answer (requestsMax)`);
    const bytes = MESSAGE_HEADER_BYTES + bytesOf(pieces);
    if (bytes > limits.messageBytesMax)
      return this.notSent(
        'too-large',
        `${bytes} bytes are more than messageBytesMax ${limits.messageBytesMax}`,
      );

    const number = ++this.lastNumber;
    invariant(number <= REQUEST_NUMBER_MAX, 'request numbers are never used up');
    const sent = this.connection.send([messageHeader(MESSAGE.request, number), ...pieces]);
    if (sent === 0) return this.notSent('busy', `the send queue is full (${limits.sendQueueBytesMax} bytes)`);
    this.sweeper ??= setInterval(this.lookAtDeadlines, DEADLINE_GRAIN_MS);
    const deadlineAtMs = clock.monotonicNowMs() + deadlineMs;
    return new Promise((resolve) => this.pending.set(number, { sent, deadlineAtMs, resolve }));
  }

  onMessage(message: Buffer): void {
    const kind = kindOfMessage(message);
    switch (kind) {
      case MESSAGE.answer:
        this.answer(message, { outcome: 'answered', answer: bodyOf(message) });
        return;
      case MESSAGE.declined:
        this.answer(message, {
          outcome: 'not-sent',
          reason: 'declined',
          detail: 'the peer did not act on it',
        });
        return;
      case MESSAGE.answerLost:
        this.answer(message, {
          outcome: 'unknown',
          reason: 'answer-lost',
          detail: 'the answer was not delivered',
        });
        return;
      case MESSAGE.lastOrders:
        if (this.state === 'open') this.state = 'peer-drains';
        // If the queue is full, the peer waits in vain, and closes at its deadline.
        this.connection.send(messageHeader(MESSAGE.lastRequest, 0));
        return;
      default:
        this.connection.protocolError(`a requester does not receive messages of kind ${kind}`);
    }
  }

  onClose({ detail }: CloseReason): void {
    this.state = 'closed';
    clearInterval(this.sweeper);
    const broken = [...this.pending];
    this.pending.clear();
    for (const [, { sent, resolve }] of broken)
      this.settle(resolve, {
        outcome: this.connection.wasHandedOver(sent) ? 'unknown' : 'not-sent',
        reason: 'connection-lost',
        detail,
      });
    this.noteIdle();
  }

  /** Sends no more requests, and settles when those under way have their outcome. */
  drain(): Promise<void> {
    if (this.state !== 'closed') this.state = 'draining';
    return new Promise((resolve) => {
      this.onIdle = resolve;
      this.noteIdle();
    });
  }

  private answer(message: Buffer, outcome: RequestOutcome): void {
    const number = requestNumberOf(message);
    const pending = this.pending.get(number);
    if (pending === undefined) {
      if (number > this.lastNumber) this.connection.protocolError(`request ${number} was never sent`);
      else this.options.counters.answersLate++;
      return;
    }
    this.pending.delete(number);
    this.settle(pending.resolve, outcome);
    this.noteIdle();
  }

  private readonly lookAtDeadlines = (): void => {
    // Timers run before sockets are read: an answer that lies there already is not late.
    setImmediate(() => {
      this.sweep();
    });
  };

  private sweep(): void {
    if (this.pending.size === 0) {
      clearInterval(this.sweeper);
      this.sweeper = undefined;
      return;
    }
    const nowMs = this.options.clock.monotonicNowMs();
    for (const [number, { deadlineAtMs, resolve }] of this.pending) {
      if (deadlineAtMs > nowMs) continue;
      this.pending.delete(number);
      this.settle(resolve, { outcome: 'unknown', reason: 'deadline', detail: 'no answer came in time' });
    }
    this.noteIdle();
  }

  private noteIdle(): void {
    if (this.pending.size > 0) return;
    this.onIdle?.();
    this.onIdle = undefined;
  }

  private notSent(reason: NotSentReason, detail: string): Promise<RequestOutcome> {
    return new Promise((resolve) => {
      this.settle(resolve, { outcome: 'not-sent', reason, detail });
    });
  }

  private settle(resolve: (outcome: RequestOutcome) => void, outcome: RequestOutcome): void {
    const { counters } = this.options;
    if (outcome.outcome === 'answered') counters.requestsAnswered++;
    else if (outcome.outcome === 'not-sent') counters.requestsNotSent++;
    else counters.requestsUnknown++;
    resolve(outcome);
  }
}
