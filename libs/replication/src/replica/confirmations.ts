/**
 * Confirmed reads: one round trip to every required member, each of which answers whether it still takes part in this
 * version and has heard of nothing newer. They rest on no clock.
 *
 * All reads that come while a round is under way share the next one.
 */
import type { Member, WorkerIndex } from '@diststore/cluster';

import { CONFIRMATIONS_MAX } from '../limits.js';
import type { Message } from '../message.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

interface ConfirmRound {
  readonly round: number;
  readonly tokens: number[];
  readonly missing: Set<WorkerIndex>;
  readonly sentMs: number;
}

export class Confirmations {
  private tokens: number[] = [];
  private rounds: ConfirmRound[] = [];
  private newestRound = 0;

  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
  ) {}

  onConfirm(token: number): void {
    const { s } = this;
    if (s.role !== 'primary' || !this.rules.isReconciled() || this.tokens.length >= CONFIRMATIONS_MAX) {
      s.emit({ type: 'confirmed', token, ok: false });
      return;
    }
    this.tokens.push(token);
    if (this.rounds.length === 0) this.startRound();
  }

  private startRound(): void {
    const { seen, nowMs } = this.s;
    if (this.tokens.length === 0 || seen === null) return;
    const tokens = this.tokens.splice(0);
    this.newestRound += 1;
    const round = this.newestRound;
    const missing = new Set(this.rules.requiredMembers().map(({ worker }) => worker));
    this.rounds.push({ round, tokens, missing, sentMs: nowMs });
    for (const worker of missing) this.s.send(worker, { type: 'confirm', ver: verOf(seen), round });
    this.finishRounds();
  }

  /** At the other end. */
  onRequest(from: Member, { ver, round }: Extract<Message, { type: 'confirm' }>): void {
    const ok = this.rules.isInstalled(ver) && this.s.installedDurable;
    this.s.send(from.worker, { type: 'confirmed', ver, round, ok });
  }

  /** REQUIRES: it comes from a peer in this version. */
  onConfirmed(from: Member, { round, ok }: Extract<Message, { type: 'confirmed' }>): void {
    const found = this.rounds.find((candidate) => candidate.round === round);
    if (found === undefined) return;
    if (ok) found.missing.delete(from.worker);
    this.finishRounds();
  }

  private finishRounds(): void {
    this.rounds = this.rounds.filter(({ missing, tokens }) => {
      if (missing.size > 0) return true;
      for (const token of tokens) this.s.emit({ type: 'confirmed', token, ok: true });
      return false;
    });
    if (this.rounds.length === 0) this.startRound();
  }

  expire(): void {
    const { nowMs, timing } = this.s;
    if (this.rounds.some(({ sentMs }) => nowMs - sentMs >= timing.leaseMs)) this.failAll();
  }

  failAll(): void {
    const tokens = [...this.rounds.flatMap((round) => round.tokens), ...this.tokens];
    this.rounds = [];
    this.tokens = [];
    for (const token of tokens) this.s.emit({ type: 'confirmed', token, ok: false });
  }
}
