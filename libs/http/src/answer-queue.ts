/**
 * Gathers the answers of one turn of the event loop and sends them together at its end, as Redis does.
 *
 * A send wakes its client, and on one machine the client then runs at once, on a processor that has to be woken for
 * it: that cost more than everything else about a GET (measured with 64 connections: 56 µs a request, and 33 when the
 * answers of a turn leave one right after the other, since the first wakes the client for all).
 *
 * Invariants: an answer leaves in the turn in which it is added, and never later than ANSWERS_MAX others; what `add`
 * throws is thrown before anything is sent.
 *
 * Not for the last words of a process, which may end within the turn: use writeReply.
 */
import { beginReply, endReply } from './reply.js';
import type { GuardedResponse, Reply, ReplyBody } from './reply.js';

/** An answer that needs nothing more but to be sent. */
export interface Answer {
  /** Must not throw. */
  send(): void;
}

/** Answers that are held back at most: beyond it, more of them save nothing, and the first has waited about 2 ms. */
const ANSWERS_MAX = 128;

class NodeAnswer implements Answer {
  constructor(
    private readonly res: GuardedResponse,
    private readonly body: ReplyBody,
  ) {}

  send(): void {
    endReply(this.res, this.body);
  }
}

export class AnswerQueue {
  private waiting: Answer[] = [];
  private readonly flush = (): void => {
    const { waiting } = this;
    this.waiting = [];
    for (const answer of waiting) answer.send();
  };

  /** Answers `res`, as writeReply does, at the end of this turn. REQUIRES and @throws as writeReply. */
  addReply(res: GuardedResponse, reply: Reply): void {
    const body = beginReply(res, reply);
    if (body !== undefined) this.add(new NodeAnswer(res, body));
  }

  /** Sends `answer` at the end of this turn. */
  add(answer: Answer): void {
    if (this.waiting.length === 0) setImmediate(this.flush);
    this.waiting.push(answer);
    if (this.waiting.length === ANSWERS_MAX) this.flush();
  }
}
