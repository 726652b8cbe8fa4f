/**
 * What this replica asks of the master. A proposal without an answer stays open until a newer version is seen, and is
 * sent again as it is. It cannot be taken back: a copy in flight may still be accepted.
 */
import { invariant } from '@diststore/base';
import { proposalId } from '@diststore/cluster';
import type { ReplicaProposal, Roles } from '@diststore/cluster';

import { verOf } from './replica-state.js';
import type { OpenProposal, ReplicaState } from './replica-state.js';

export class Proposals {
  private number = 0;

  constructor(private readonly s: ReplicaState) {}

  propose(kind: ReplicaProposal['kind'], next: Roles): void {
    const { s } = this;
    invariant(s.seen !== null, 'a proposal builds on a configuration', { kind });
    this.number += 1;
    const proposal: ReplicaProposal = {
      partition: s.partition,
      kind,
      expect: verOf(s.seen),
      next,
      proposalId: proposalId(`${s.self.incarnation}-${s.boot}-${this.number}`),
      by: s.self,
    };
    s.proposals.set(kind, { proposal, sentMs: s.nowMs, refused: false });
    s.emit({ type: 'propose', proposal });
  }

  /** Asks for a new epoch with the same roles (D2). */
  proposeRestart(): void {
    const { seen, proposals } = this.s;
    if (seen === null || proposals.has('restart')) return;
    this.propose('restart', { primary: seen.primary, insync: seen.insync });
  }

  retry(): void {
    const { s } = this;
    for (const open of s.proposals.values()) {
      const intervalMs = open.refused ? 4 * s.timing.beaconMs : s.timing.beaconMs;
      if (s.nowMs - open.sentMs < intervalMs) continue;
      // A candidate that has heard its primary again holds nothing back by waiting.
      if (open.proposal.kind === 'promote' && s.nowMs < s.promiseUntilMs) continue;
      open.sentMs = s.nowMs;
      s.emit({ type: 'propose', proposal: open.proposal });
    }
  }

  /** Refused today is not refused for ever: a late copy may meet other facts. A new epoch makes it impossible. */
  onRefused(id: string): void {
    const open = this.byId(id);
    if (open === undefined) return;
    open.refused = true;
    if (this.s.leads && open.proposal.kind !== 'restart') this.proposeRestart();
  }

  private byId(id: string): OpenProposal | undefined {
    return [...this.s.proposals.values()].find(({ proposal }) => proposal.proposalId === id);
  }

  /** Asks the primary to be taken out of the in-sync set. */
  askToLeave(): void {
    const { seen, role } = this.s;
    if (role !== 'follower' || seen === null) return;
    this.s.send(seen.primary.worker, { type: 'leave', ver: verOf(seen) });
  }
}
