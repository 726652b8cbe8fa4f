/**
 * Whom a primary works with, and what their answers mean: everybody who is required, and everybody who is wanted.
 * Whether an answer counts is decided by the version it speaks of and by the disk it comes from.
 */
import { invariant } from '@diststore/base';
import { memberOf, sameMember, sameVer } from '@diststore/cluster';
import type { Member, Ver, WorkerIndex } from '@diststore/cluster';

import type { Message } from '../message.js';
import { newPeer } from '../peer.js';
import type { Peer } from '../peer.js';
import type { ReplicaEvent } from '../replica-event.js';
import type { Contact } from './contact.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';
import type { SnapshotSource } from './snapshot-source.js';

export class Peers {
  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly contact: Contact,
    private readonly snapshots: SnapshotSource,
  ) {}

  wantsOthers(): boolean {
    return this.s.target?.replicas.some((worker) => worker !== this.s.self.worker) ?? false;
  }

  /** Keeps one `Peer` for each worker that is required or wanted. */
  refresh(): void {
    const { s } = this;
    if (s.seen === null) return;
    const required = this.rules.requiredMembers();
    const wanted = new Set<WorkerIndex>(required.map(({ worker }) => worker));
    for (const worker of s.target?.replicas ?? []) if (worker !== s.self.worker) wanted.add(worker);
    for (const [worker, peer] of s.peers) {
      if (wanted.has(worker)) continue;
      this.snapshots.close(peer);
      s.peers.delete(worker);
    }
    for (const worker of wanted) {
      const peer = s.peers.get(worker);
      const member = memberOf(required, worker);
      if (peer === undefined) s.peers.set(worker, newPeer(worker, member, s.nowMs));
      else if (member !== undefined && (peer.member === undefined || !sameMember(peer.member, member)))
        s.peers.set(worker, newPeer(worker, member, s.nowMs));
    }
    this.contact.all();
  }

  /** What was known of them belongs to a version that is over. */
  forgetAll(): void {
    for (const peer of this.s.peers.values()) this.snapshots.close(peer);
    this.s.peers.clear();
    this.s.pendingAdd = [];
  }

  /** The peer that a message in our version comes from, if its acknowledgements count. */
  peerOf(from: Member, ver: Ver): Peer | undefined {
    const { s } = this;
    if (!s.leads || s.seen === null || !sameVer(s.seen, ver)) return undefined;
    const peer = s.peers.get(from.worker);
    if (peer === undefined || !this.rules.isPeer(peer, from)) return undefined;
    peer.refused = false;
    return peer;
  }

  onRefused(worker: WorkerIndex): void {
    const peer = this.s.peers.get(worker);
    if (peer !== undefined) peer.refused = true;
  }

  onInstalled(from: Member, message: Extract<Message, { type: 'installed' }>): void {
    const { s } = this;
    if (s.role !== 'primary' || s.seen === null || !sameVer(s.seen, message.ver)) return;
    if (message.boot !== s.boot) return;
    const peer = this.answering(from);
    if (peer === undefined) return;
    peer.refused = false;
    peer.lastHeardMs = s.nowMs;
    const { match } = message;
    // One that fell so far behind that its place was trimmed starts over, too.
    if (match === null || match < s.log.base) {
      this.snapshots.consider(peer, message.snapshotId);
      return;
    }
    invariant(match <= s.log.last, 'logs agree within both', { match, ...s.facts() });
    if (!peer.installed) {
      peer.installed = true;
      peer.acked = match;
      peer.sentTo = match;
    } else {
      peer.acked = Math.max(peer.acked, match);
    }
    this.grantLease(peer, message.sentAtMs);
  }

  /** The peer that this worker's answer makes it; a new one if it answers from another disk or incarnation. */
  private answering(from: Member): Peer | undefined {
    const { s } = this;
    const peer = s.peers.get(from.worker);
    if (peer === undefined || (peer.member !== undefined && sameMember(peer.member, from))) return peer;
    if (!this.rules.mayReplace(from)) return undefined;
    this.snapshots.close(peer);
    const fresh = newPeer(from.worker, from, s.nowMs);
    s.peers.set(from.worker, fresh);
    return fresh;
  }

  private grantLease(peer: Peer, sentAtMs: number): void {
    if (!this.rules.earnsLease(sentAtMs)) return;
    const until = this.rules.leaseFrom(sentAtMs);
    if (until > peer.leaseUntilMs) peer.leaseUntilMs = until;
  }

  onBeaconAccepted(event: Extract<ReplicaEvent, { type: 'beaconAccepted' }>): void {
    if (event.boot !== this.s.boot || this.s.role !== 'primary') return;
    const peer = this.peerOf(event.from, event.ver);
    if (peer?.installed !== true) return;
    peer.lastHeardMs = this.s.nowMs;
    this.grantLease(peer, event.sentAtMs);
  }

  /** It was told of a version that it does not take part in. */
  onUninstalled(from: Member, ver: Ver): void {
    const { s } = this;
    if (s.role !== 'primary' || s.seen === null || !sameVer(s.seen, ver) || !s.installedDurable) return;
    const peer = s.peers.get(from.worker);
    if (peer === undefined || peer.snapshot !== undefined) return;
    const isOther = peer.member !== undefined && !sameMember(peer.member, from);
    if (isOther && !this.rules.mayReplace(from)) return;
    if (peer.installed && !isOther) return;
    if (isOther) s.peers.set(from.worker, newPeer(from.worker, undefined, s.nowMs));
    // At once, but not for every message of a stream that it cannot take.
    if (s.nowMs - peer.installSentMs >= s.timing.beaconMs / 4) this.contact.one(from.worker);
  }
}
