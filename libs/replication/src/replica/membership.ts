/**
 * Who a primary takes out of the in-sync set and whom it lets in: the silent, the willing and the unwanted leave, those
 * that caught up join. Each is only a proposal; the present members are required until a newer version says otherwise.
 */
import { admissionOf, memberOf, removalOf, secondaries } from '@diststore/cluster';
import type { Member } from '@diststore/cluster';

import type { Peer } from '../peer.js';
import type { Handovers } from './handovers.js';
import type { Proposals } from './proposals.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

export class Membership {
  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly proposals: Proposals,
    private readonly handovers: Handovers,
  ) {}

  considerRemovals(): void {
    const { s } = this;
    const { seen } = s;
    if (seen === null || s.nowMs < s.judgeAfterMs) return;
    const suspects: Peer[] = [];
    for (const { worker } of secondaries(seen)) {
      const peer = s.peers.get(worker);
      if (peer === undefined) continue;
      peer.suspectTicks = this.isSuspect(peer) ? peer.suspectTicks + 1 : 0;
      if (peer.suspectTicks > 0) suspects.push(peer);
    }
    if (suspects.length === 0 || s.proposals.has('remove')) return;
    const remaining = seen.insync.length - suspects.length;
    // Going below the minimum stops writes: not on the evidence of one moment.
    const evidence = remaining < seen.minInSync ? 2 : 1;
    const leaving = suspects.filter(({ suspectTicks }) => suspectTicks >= evidence);
    if (leaving.length === 0) return;
    const members = seen.insync.filter(({ worker }) => leaving.some((peer) => peer.worker === worker));
    this.proposals.propose('remove', removalOf(seen, members));
  }

  private isSuspect(peer: Peer): boolean {
    const { nowMs, timing } = this.s;
    const silentMs = nowMs - peer.lastHeardMs;
    if (silentMs >= timing.leaseMs) return true;
    if (peer.refused && silentMs >= 2 * timing.beaconMs) return true;
    return peer.waitingSinceMs !== undefined && nowMs - peer.waitingSinceMs >= timing.prepareTimeoutMs;
  }

  considerAdmissions(): void {
    const { s } = this;
    const { seen, target } = s;
    if (seen === null || target === undefined || !this.rules.mayAdmitMembers()) return;
    if (s.proposals.size > 0 || this.handovers.isUnderWay || s.pendingAdd.length > 0) return;
    const joining: Member[] = [];
    for (const worker of target.replicas) {
      const peer = s.peers.get(worker);
      if (peer?.installed !== true || peer.member === undefined || peer.refused) continue;
      if (memberOf(seen.insync, worker) !== undefined) continue;
      const isCurrent =
        peer.acked >= this.rules.admissionPoint() && s.log.last - peer.acked < s.timing.joinLagEntries;
      if (isCurrent && s.nowMs < peer.leaseUntilMs) joining.push(peer.member);
    }
    if (joining.length === 0) return;
    // In this order: from now on they count, and only then may the master hear of it (D3).
    s.pendingAdd = this.rules.countedFromNow(joining);
    this.proposals.propose('add', admissionOf(seen, joining));
  }

  /** Those who asked to leave, and those who are not wanted any more. */
  considerLeaving(): void {
    const { s } = this;
    const { seen, target } = s;
    if (seen === null || s.role !== 'primary' || s.proposals.size > 0 || !s.installedDurable) return;
    const isComplete =
      target?.replicas.every((worker) => memberOf(seen.insync, worker) !== undefined) ?? false;
    const leaving = secondaries(seen).filter(({ worker }) => {
      const isSurplus = isComplete && target?.replicas.includes(worker) === false;
      return isSurplus || s.nowMs < (s.peers.get(worker)?.leavingUntilMs ?? -Infinity);
    });
    if (leaving.length === 0 || seen.insync.length - leaving.length < seen.minInSync) return;
    this.proposals.propose('leave', removalOf(seen, leaving));
  }
}
