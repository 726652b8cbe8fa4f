/**
 * Passing the primary role on, to rebalance or before a planned stop: admit no more writes, let those under way
 * commit, stop serving for good in this version, and only then tell the master. Because the old primary stopped by
 * itself, the new one need not wait out any promise.
 *
 *     wanted ──the master takes proposals──► draining ──drained, and it still does──► stopping, proposed
 *                                               │
 *                                               └── not in time: called off
 *
 * A drain can be called off, as in Raft's leadership transfer (Ongaro's thesis, 3.10). A stop cannot: nobody leads the
 * partition until the master has decided. It may have been killed since it was last heard of; or it answers, but has
 * just started or does not trust its data, and decides nothing for now. So it is asked before writes are held back (one
 * that is about to leave holds them back anyway), and again, unless that was just now, before anything stops. Safety
 * rests on no such answer. What is left is a master that dies with the proposal in its hands.
 */
import { handoverOf, memberOf, secondaries } from '@diststore/cluster';
import type { Configuration, Member, WorkerIndex } from '@diststore/cluster';

import type { Confirmations } from './confirmations.js';
import type { HeldAnswers } from './held-answers.js';
import type { Proposals } from './proposals.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

export class Handovers {
  /** The master was asked whether it takes proposals. */
  private asked: { readonly token: number; readonly sinceMs: number } | undefined;
  private lastToken = 0;
  /** Since when no writes are admitted. */
  private drainingSinceMs: number | undefined;
  private request: { readonly to: WorkerIndex | undefined } | undefined;
  private nextMs = 0;

  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly proposals: Proposals,
    private readonly held: HeldAnswers,
    private readonly confirmations: Confirmations,
  ) {}

  get isUnderWay(): boolean {
    return this.drainingSinceMs !== undefined;
  }

  ask(to: WorkerIndex | undefined): void {
    this.request = { to };
    this.consider();
  }

  /** What was asked for is not wanted any more. What was proposed cannot be taken back. */
  forget(): void {
    this.request = undefined;
    this.callOff();
  }

  /** A new version, or none to lead. */
  callOff(): void {
    this.asked = undefined;
    this.drainingSinceMs = undefined;
  }

  /** What was just handed over is not handed back for a mere preference. */
  rest(): void {
    this.nextMs = this.s.nowMs + 10 * this.s.timing.handoverDrainMs;
  }

  consider(): void {
    this.goOn(false);
  }

  onMasterAnswered(token: number): void {
    const { asked, s } = this;
    if (asked?.token !== token) return;
    this.asked = undefined;
    // It may have lain in a socket while this process stood still.
    this.goOn(s.nowMs - asked.sinceMs < s.timing.handoverDrainMs);
  }

  /** @param isOpen the master has said just now that it takes proposals. */
  private goOn(isOpen: boolean): void {
    const { s } = this;
    const { seen } = s;
    if (s.role !== 'primary' || seen === null || !s.installedDurable) return;
    if (this.isOverdue()) {
      this.callOff();
      if (!s.leaving) this.request = undefined;
      this.rest();
      return;
    }
    // Looked at anew each time: while writes drain and the master is asked, much can change.
    const to = this.wanted(seen);
    if (to === undefined) return;
    if (isOpen) this.drainingSinceMs ??= s.nowMs;
    const isDrained = s.committed >= s.log.last && this.held.count === 0;
    if (this.isUnderWay && !isDrained) return;
    if (!isOpen) {
      this.askMaster();
      return;
    }
    this.request = undefined;
    this.callOff();
    // No read and no commit from here on, whatever becomes of the proposal.
    s.setRole('stopping');
    this.confirmations.failAll();
    this.proposals.propose('handover', handoverOf(seen, to));
  }

  private isOverdue(): boolean {
    const { nowMs, timing } = this.s;
    return this.drainingSinceMs !== undefined && nowMs - this.drainingSinceMs >= timing.handoverDrainMs;
  }

  /** Without an answer, again after as long as a drain may take. */
  private askMaster(): void {
    const { s, asked } = this;
    if (asked !== undefined && s.nowMs - asked.sinceMs < s.timing.handoverDrainMs) return;
    this.lastToken += 1;
    this.asked = { token: this.lastToken, sinceMs: s.nowMs };
    s.emit({ type: 'askMaster', token: this.lastToken });
  }

  /** To whom this partition can be handed over now, and is to be. */
  private wanted(seen: Configuration): Member | undefined {
    const { s } = this;
    const to = this.chosen(seen);
    if (to === undefined || !s.masterReachable || s.proposals.size > 0) return undefined;
    if (this.request === undefined && s.nowMs < this.nextMs) return undefined;
    return this.rules.mayHandOver() ? to : undefined;
  }

  private chosen(seen: Configuration): Member | undefined {
    const { s, request } = this;
    const candidates = secondaries(seen).filter((member) => {
      const peer = s.peers.get(member.worker);
      if (peer?.installed !== true || s.nowMs < peer.leavingUntilMs) return false;
      return this.rules.holdsLease(peer, member, s.nowMs);
    });
    if (request !== undefined)
      return candidates.find(({ worker }) => request.to === undefined || worker === request.to);
    const { target } = s;
    if (target === undefined || target.preferredPrimary === s.self.worker) return undefined;
    return memberOf(candidates, target.preferredPrimary);
  }
}
