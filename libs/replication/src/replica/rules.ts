/**
 * The rules that safety rests on, each one question about the state. Nothing here changes anything, so each can be
 * read, and broken on purpose, by itself: the simulator replaces one at a time and shows what is lost without it.
 *
 * The letters are those of the list in replica.ts.
 */
import { invariant } from '@diststore/base';
import {
  compareVer,
  hasEnoughInSync,
  hasMember,
  memberOf,
  sameMember,
  sameVer,
  startsWithoutWaiting,
} from '@diststore/cluster';
import type { Configuration, Member, Ver } from '@diststore/cluster';

import type { Seq } from '../entry.js';
import type { LogShape } from '../message.js';
import type { Peer } from '../peer.js';
import { matchPoint } from '../replica-log.js';
import { promiseOutlastsLease } from '../timing.js';
import type { ReplicaState } from './replica-state.js';

export class Rules {
  /** The last answer of `requiredMembers`, and what it was derived from. Asked at every read. */
  private required: readonly Member[] = [];
  private requiredOf: Configuration | null = null;
  private requiredWith: readonly Member[] | undefined;

  constructor(protected readonly s: ReplicaState) {}

  // ------------------------------------------------------------------------------------------------- who may serve

  /**
   * The one gate. A primary may commit, answer reads and hand over while its own promise is over and it holds a lease
   * of every other required member, all of them taking part in this version.
   */
  mayServe(nowMs: number): boolean {
    const { s } = this;
    if (s.role !== 'primary' || !s.installedDurable || s.failed) return false;
    if (nowMs < s.waitUntilMs) return false;
    for (const member of this.requiredMembers()) {
      const peer = s.peers.get(member.worker);
      if (peer === undefined || !this.holdsLease(peer, member, nowMs)) return false;
    }
    return true;
  }

  /** Everybody else who must hold a write before it commits, and whose lease is needed (D3). */
  requiredMembers(): readonly Member[] {
    const { seen, pendingAdd } = this.s;
    if (this.requiredOf !== seen || this.requiredWith !== pendingAdd) {
      const others = seen?.insync.filter((member) => !this.s.isSelf(member)) ?? [];
      this.required = [...others, ...pendingAdd];
      this.requiredOf = seen;
      this.requiredWith = pendingAdd;
    }
    return this.required;
  }

  holdsLease(peer: Peer, member: Member, nowMs: number): boolean {
    return (
      peer.installed &&
      peer.member !== undefined &&
      sameMember(peer.member, member) &&
      nowMs < peer.leaseUntilMs
    );
  }

  /** Counted from sending: the promise that it rests on began later, when the beacon arrived. */
  leaseFrom(sentAtMs: number): number {
    const { nowMs, timing } = this.s;
    invariant(sentAtMs <= nowMs, 'an answer comes after its question', { sentAtMs, nowMs });
    return sentAtMs + timing.leaseMs;
  }

  /**
   * While a machine is suspended its clock may stand still, and answers pile up in its sockets: by its own clock they
   * are fresh. What was asked before the clocks came apart earns no lease.
   */
  earnsLease(sentAtMs: number): boolean {
    return sentAtMs > this.s.clockJumpMs;
  }

  /** The gate, at this step and only if its clocks can be trusted. */
  mayServeNow(): boolean {
    return this.s.sane && this.mayServe(this.s.nowMs);
  }

  /** Until then a new primary's inherited log is not known to be committed, and nothing is answered (D5). */
  isReconciled(): boolean {
    return this.s.committed >= this.s.reconcileTo;
  }

  // ------------------------------------------------------------------------------------------- beginning a tenure

  /** What an earlier process on this store promised is not known: it is assumed that it just did. */
  promiseAtStart(isNewStore: boolean): number {
    const { installed, nowMs, timing } = this.s;
    const { configuration, tenure, waited } = installed;
    const wasFreeToServe = tenure && waited && configuration !== null && this.s.isSelf(configuration.primary);
    return isNewStore || wasFreeToServe ? 0 : nowMs + timing.graceMs;
  }

  /** Until when a new primary serves and commits nothing (D1). */
  waitOf(configuration: Configuration): number {
    return startsWithoutWaiting(configuration) ? 0 : this.s.promiseUntilMs;
  }

  /** How far the inherited log must be committed again before anything is answered (D5). */
  reconcilePoint(): Seq {
    return this.s.log.last;
  }

  /** A sole primary that told nobody anything in this version goes on with it (the exception to D2). */
  mayResume(configuration: Configuration, shared: boolean): boolean {
    return configuration.insync.length === 1 && !shared;
  }

  /** Configurations of a generation that was given up are not believed. */
  isOfLostGeneration({ gen }: Ver): boolean {
    return gen < this.s.fence;
  }

  // ---------------------------------------------------------------------------------------------------- committing

  /** The largest entry that every required member has durably. */
  commitPoint(): Seq {
    let seq = this.s.durable;
    for (const member of this.requiredMembers()) {
      const peer = this.s.peers.get(member.worker);
      const counts = peer?.installed === true && peer.member !== undefined && sameMember(peer.member, member);
      seq = Math.min(seq, counts ? peer.acked : 0);
    }
    return seq;
  }

  /** Committed is not yet acknowledged: that takes as many disks as the cluster was told to ask for. */
  mayAcknowledge(configuration: Configuration): boolean {
    return hasEnoughInSync(configuration);
  }

  /** A completed batch held these entries; it was lowered when the log was cut, so none that are gone. */
  completedThrough(appended: Seq): Seq {
    return appended;
  }

  /** A sole primary that nobody listens to needs no log: its data is the log. */
  isCheap(from: Seq): boolean {
    const { installed, seen, queuedState } = this.s;
    return (
      !installed.shared && seen?.insync.length === 1 && queuedState.applied === from && this.mayServeNow()
    );
  }

  // ----------------------------------------------------------------------------------------------- the secondary

  /** Takes part in exactly this version, having heard of no newer one. */
  isInstalled(ver: Ver): boolean {
    const { installed, seen } = this.s;
    const { configuration, tenure } = installed;
    return (
      configuration !== null && !tenure && sameVer(configuration, ver) && seen !== null && sameVer(seen, ver)
    );
  }

  mayAppend(ver: Ver): boolean {
    return this.isInstalled(ver) && this.s.installed.state === 'ok';
  }

  isFenced(ver: Ver): boolean {
    return this.s.seen !== null && compareVer(ver, this.s.seen) < 0;
  }

  /** A lease that outlasts the promise it rests on is worth nothing: such a primary is not followed at all. */
  promiseFits(leaseMs: number): boolean {
    return promiseOutlastsLease(this.s.timing, leaseMs);
  }

  /** Where the log is cut when it joins a version (D5). */
  matchWith(log: LogShape): Seq | undefined {
    return matchPoint(this.s.log.shape(), log);
  }

  /**
   * One who asked to take over refuses its old primary for a moment, which makes the failover quicker. For a moment
   * only, and only while the master answers: otherwise it would stop a healthy primary for good.
   */
  refusesBeacons(): boolean {
    return this.s.masterReachable && this.s.nowMs < this.s.refuseBeaconsUntilMs;
  }

  // ---------------------------------------------------------------------------------------- members and their disks

  /** Acknowledgements count for the disk and the incarnation that they come from. */
  isPeer(peer: Peer, from: Member): boolean {
    return peer.member !== undefined && sameMember(peer.member, from);
  }

  /** Another disk of the same worker counts for nothing while the old one is required. */
  mayReplace(from: Member): boolean {
    return memberOf(this.requiredMembers(), from.worker) === undefined;
  }

  /** Erasing a replica is for one who counts for nothing. It is checked here at sending … */
  mayErase(peer: Peer): boolean {
    return memberOf(this.requiredMembers(), peer.worker) === undefined;
  }

  /** … and here at receiving: a late request could erase one that has come into the in-sync set since. */
  mayBeErased(configuration: Configuration): boolean {
    return !hasMember(configuration.insync, this.s.self);
  }

  /** D4: not while the own promise to an earlier primary is running. */
  mayAdmitMembers(): boolean {
    return this.s.nowMs >= this.s.waitUntilMs && this.mayServeNow();
  }

  /** What a newcomer must hold. */
  admissionPoint(): Seq {
    return Math.max(this.s.committed, this.s.reconcileTo);
  }

  /** They count from before the master hears of it (D3). */
  countedFromNow(joining: Member[]): Member[] {
    return joining;
  }

  /** Only one who may serve has a right to pass on. */
  mayHandOver(): boolean {
    return this.mayServeNow() && this.isReconciled();
  }
}
