/**
 * From configuration to role. A configuration may come from the master, from a proposal's answer or from a peer, in
 * any order and as often as it likes; only a newer one means anything. It makes this replica the primary of a new
 * tenure, or ends the one it has, or tells it whom to follow.
 */
import { invariant, unreachable } from '@diststore/base';
import { compareVer, hasMember, nextVer, sameVer } from '@diststore/cluster';
import type { Configuration, Decision, Target } from '@diststore/cluster';

import type { InstalledState } from '../durable-state.js';
import type { Role } from '../replica-event.js';
import type { Confirmations } from './confirmations.js';
import type { Contact } from './contact.js';
import type { DiskQueue } from './disk-queue.js';
import type { Handovers } from './handovers.js';
import type { HeldAnswers } from './held-answers.js';
import type { Peers } from './peers.js';
import type { Proposals } from './proposals.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

/** The parts that begin and end with a tenure. */
export interface TenureParts {
  readonly disk: DiskQueue;
  readonly proposals: Proposals;
  readonly held: HeldAnswers;
  readonly confirmations: Confirmations;
  readonly handovers: Handovers;
  readonly contact: Contact;
  readonly peers: Peers;
}

export class Tenures {
  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly parts: TenureParts,
  ) {}

  onStart(): void {
    const { configuration, tenure, shared } = this.s.installed;
    this.settleRole();
    if (configuration === null || !tenure || !this.s.isSelf(configuration.primary)) return;
    if (this.rules.mayResume(configuration, shared)) this.begin(configuration, false);
    else this.parts.proposals.proposeRestart();
  }

  onConfiguration(next: Configuration): void {
    const { s } = this;
    const { seen } = s;
    if (this.rules.isOfLostGeneration(next)) return;
    if (seen !== null && compareVer(next, seen) <= 0) {
      if (s.role === 'none') this.settleRole();
      return;
    }
    const { leads } = s;
    const continuing = leads && seen !== null && s.isSelf(next.primary) && sameVer(next, nextVer(seen));
    s.seen = next;
    s.proposals.clear();
    s.refuseBeaconsUntilMs = 0;
    if (leads && !continuing) {
      this.stepDown();
      // The fastest way to the one who takes over, which may begin at once.
      if (next.kind === 'handover' && !s.isSelf(next.primary))
        s.send(next.primary.worker, { type: 'configuration', configuration: next });
    }
    if (s.isSelf(next.primary)) {
      this.start(next, continuing);
    } else {
      this.settleRole();
      // One that owes no promise (it led itself until now) still gives the new primary time to be heard.
      s.notBeforeMs = Math.max(s.notBeforeMs, s.nowMs + s.timing.graceMs);
      if (s.leaving) this.parts.proposals.askToLeave();
    }
  }

  onProposalAnswer(id: string, decision: Decision): void {
    switch (decision.answer) {
      case 'accepted':
      case 'already-accepted':
        this.onConfiguration(decision.configuration);
        return;
      case 'conflict':
        if (decision.configuration !== undefined) this.onConfiguration(decision.configuration);
        return;
      case 'refused':
        this.parts.proposals.onRefused(id);
        return;
      default:
        unreachable(decision);
    }
  }

  onTarget(target: Target): void {
    const { s } = this;
    if (s.target !== undefined && target.rev <= s.target.rev) return;
    s.target = target;
    if (s.role === 'primary') this.parts.peers.refresh();
  }

  /** The role of one who does not lead. */
  private settleRole(): void {
    const { s } = this;
    if (s.leads) return;
    let role: Role = 'none';
    if (s.seen !== null && !s.isSelf(s.seen.primary))
      role = hasMember(s.seen.insync, s.self) ? 'follower' : 'learner';
    s.setRole(role);
  }

  private start(next: Configuration, continuing: boolean): void {
    const { s } = this;
    if (s.installed.state !== 'ok') {
      // Only an operator can name a half-copied replica; it cannot serve.
      s.fail('made primary while its data is incomplete');
      return;
    }
    const { configuration, tenure } = s.installed;
    if (!continuing && configuration !== null && tenure && sameVer(configuration, next)) {
      this.parts.proposals.proposeRestart();
      return;
    }
    invariant(
      configuration === null || compareVer(next, configuration) > 0,
      'a replica leads each version at most once',
      s.facts(),
    );
    const waited = continuing && s.nowMs >= s.waitUntilMs;
    // From here on, so that nobody hears of this version before row 01 says it.
    s.installedDurable = false;
    this.begin(next, continuing);
    const state: InstalledState = {
      ...s.installed,
      configuration: next,
      tenure: true,
      waited: waited || s.nowMs >= s.waitUntilMs,
      shared: next.insync.length > 1 || this.parts.peers.wantsOthers(),
    };
    this.parts.disk.install(state, [], () => this.parts.contact.all());
  }

  private begin(configuration: Configuration, continuing: boolean): void {
    const { s, parts } = this;
    if (!continuing) {
      s.reconcileTo = this.rules.reconcilePoint();
      s.waitUntilMs = this.rules.waitOf(configuration);
      parts.handovers.rest();
      this.rebuildPending();
    }
    s.tenure += 1;
    s.tenureSinceMs = s.nowMs;
    s.judgeAfterMs = s.nowMs + 2 * s.timing.beaconMs;
    parts.handovers.callOff();
    parts.confirmations.failAll();
    parts.peers.forgetAll();
    s.setRole('primary');
    parts.peers.refresh();
  }

  private rebuildPending(): void {
    const { s } = this;
    const { pendingWrites } = s;
    pendingWrites.reset();
    s.windowBytes = 0;
    pendingWrites.preparedClear = s.committedClear;
    for (let seq = s.applied + 1; seq <= s.log.last; seq += 1) {
      const entry = s.entryAt(seq);
      pendingWrites.prepare(entry);
      if (seq <= s.committed) pendingWrites.commit(entry);
      else s.windowBytes += entry.size;
    }
  }

  /** Leads no more. The log stays as it is: the next primary decides what of it counts. */
  private stepDown(): void {
    const { s, parts } = this;
    for (const { client } of s.pendingWrites.takeAllWaiters())
      s.reply(client, { type: 'unknown', reason: 'deposed' });
    parts.held.giveUpAll();
    parts.confirmations.failAll();
    parts.peers.forgetAll();
    s.pendingWrites.reset();
    s.windowBytes = 0;
    parts.handovers.callOff();
    s.tenure += 1;
    s.role = 'none';
  }

  /** Once the wait is over, a quick restart need not wait again. */
  noteWaited(): void {
    const { s } = this;
    if (s.installed.waited || s.nowMs < s.waitUntilMs) return;
    const state = { ...s.installed, waited: true };
    s.installed = state;
    this.parts.disk.persist({ writes: [{ type: 'installed', state }], urgent: false });
  }

  /** A primary of before the restart asks for its new epoch. */
  onTickWithoutRole(): void {
    const { seen, installed } = this.s;
    if (seen === null || !this.s.isSelf(seen.primary) || installed.configuration === null) return;
    if (installed.tenure && sameVer(installed.configuration, seen)) this.parts.proposals.proposeRestart();
  }
}
