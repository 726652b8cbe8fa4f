/**
 * Answers that rest on an entry which is not committed yet: a condition that failed on it, or a request that was seen
 * before. Each is given when that entry is committed, through the same gate as a read.
 *
 * That a request was carried out is acknowledged, however late, only while enough replicas are in sync. Those that an
 * operator may name without losing acknowledged writes rest on that (`eligible`, libs/cluster/src/configuration.ts).
 */
import type { Seq } from '../entry.js';
import type { Client, Reply } from '../replica-event.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

interface HeldAnswer {
  readonly client: Client;
  readonly reply: Reply;
  /** The entry it looked at. */
  readonly until: Seq;
  readonly sinceMs: number;
}

export class HeldAnswers {
  private held: HeldAnswer[] = [];

  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
  ) {}

  get count(): number {
    return this.held.length;
  }

  /** Gives the answer now if it may be given, or keeps it. */
  hold(client: Client, reply: Reply, until: Seq): void {
    const { s, rules } = this;
    if (until <= s.committed && rules.isReconciled() && rules.mayServeNow()) this.answer(client, reply);
    else this.held.push({ client, reply, until, sinceMs: s.nowMs });
  }

  private answer(client: Client, reply: Reply): void {
    const { s, rules } = this;
    const isKept = reply.type !== 'ok' || s.seen === null || rules.mayAcknowledge(s.seen);
    s.reply(client, isKept ? reply : { type: 'unknown', reason: 'under-replicated' });
  }

  /** REQUIRES: this replica may serve now. */
  give(): void {
    if (this.held.length === 0 || !this.rules.isReconciled()) return;
    this.held = this.held.filter(({ client, reply, until }) => {
      if (until > this.s.committed) return true;
      this.answer(client, reply);
      return false;
    });
  }

  /** Clients of an answer that does not come are told to try again. */
  giveUpOldest(): void {
    const oldestMs = this.s.nowMs - this.s.timing.leaseMs;
    if (this.held.length === 0 || (this.held[0]?.sinceMs ?? 0) > oldestMs) return;
    this.held = this.held.filter(({ client, reply, sinceMs }) => {
      if (sinceMs > oldestMs) return true;
      this.s.reply(client, withoutAnswer(reply, { type: 'retry-later' }));
      return false;
    });
  }

  /** This replica leads no more. */
  giveUpAll(): void {
    for (const { client, reply } of this.held.splice(0))
      this.s.reply(client, withoutAnswer(reply, this.s.notPrimary()));
  }
}

/** A repeated request was done already, or may have been; a failed condition was not. */
function withoutAnswer(reply: Reply, otherwise: Reply): Reply {
  return reply.type === 'ok' ? { type: 'unknown', reason: 'deposed' } : otherwise;
}
