/**
 * Passing the primary role on, to rebalance or before a planned stop: admit no more writes, let those under way
 * commit, stop serving for good in this version, and only then tell the master. Because the old primary stopped by
 * itself, the new one need not wait out any promise.
 */
import { handoverOf, memberOf, secondaries } from '@diststore/cluster';
import type { Configuration, Member, WorkerIndex } from '@diststore/cluster';

import type { Confirmations } from './confirmations.js';
import type { HeldAnswers } from './held-answers.js';
import type { Proposals } from './proposals.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

export class Handovers {
  /** Writes are draining. */
  private draining: { readonly to: Member; readonly sinceMs: number } | undefined;
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
    return this.draining !== undefined;
  }

  ask(to: WorkerIndex | undefined): void {
    this.request = { to };
    this.consider();
  }

  /** What was asked for is not wanted any more. What was proposed cannot be taken back. */
  forget(): void {
    this.request = undefined;
    this.draining = undefined;
  }

  /** A new version, or none to lead. */
  callOff(): void {
    this.draining = undefined;
  }

  /** What was just handed over is not handed back for a mere preference. */
  rest(): void {
    this.nextMs = this.s.nowMs + 10 * this.s.timing.handoverDrainMs;
  }

  consider(): void {
    const { s } = this;
    const { seen } = s;
    if (s.role !== 'primary' || seen === null || !s.installedDurable) return;
    this.draining ??= this.begin(seen);
    if (this.draining === undefined) return;
    const { to, sinceMs } = this.draining;
    if (s.nowMs - sinceMs >= s.timing.handoverDrainMs) {
      this.draining = undefined;
      if (!s.leaving) this.request = undefined;
      this.rest();
      return;
    }
    if (s.committed < s.log.last || this.held.count > 0 || !this.rules.mayHandOver()) return;
    this.request = undefined;
    this.draining = undefined;
    // No read and no commit from here on, whatever becomes of the proposal.
    s.setRole('stopping');
    this.confirmations.failAll();
    this.proposals.propose('handover', handoverOf(seen, to));
  }

  private begin(seen: Configuration): { to: Member; sinceMs: number } | undefined {
    const { s } = this;
    const to = this.chosen(seen);
    // A primary that stops and finds no master to tell would stop for nothing.
    if (to === undefined || !s.masterReachable || s.proposals.size > 0) return undefined;
    if (this.request === undefined && s.nowMs < this.nextMs) return undefined;
    return this.rules.mayHandOver() ? { to, sinceMs: s.nowMs } : undefined;
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
