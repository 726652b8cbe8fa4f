/**
 * One replica of one partition. It decides; the host acts. No clock, no randomness, no waiting: `step(event)` returns
 * the effects, and the same events give the same effects.
 *
 * The protocol is primary-backup replication after PacificA (Lin, Yang, Zhang, Zhou, Microsoft Research
 * MSR-TR-2008-25). A configuration manager (the master) keeps for each partition who is in sync and who of them is
 * primary, and changes that record by compare-and-swap. It is asked only when something must change.
 *
 *     none ──INSTALL──► learner ──admitted──► follower ──promise over, proposal accepted──► primary
 *      ▲                   ▲                     ▲                                          │   ▲
 *      │ erased            └──── removed ────────┴──────── newer configuration ◄────────────┤   │ its own next
 *      │                                                                     hand-over ─► stopping  version
 *
 * A write commits once it is durable here and on *every* other required member: all in sync and all whose admission
 * is proposed. So each of them alone holds every acknowledged write, and any of them may lead next.
 *
 * Who may serve is decided by time. A primary holds a lease from each required member, counted from the *sending* of
 * the beacon; the member, on receiving it, promises for longer than that not to serve or commit as primary itself.
 * `mayServe` is the one gate for commits, reads, hand-overs and answers to repeated requests.
 *
 * Where this differs from the paper, and why:
 * - D1. A new primary waits out *its own* promise before it serves or commits, not only before it proposes itself:
 *   a delayed proposal may be accepted long after newer beacons were answered. Exceptions are a hand-over, whose old
 *   primary stopped serving before it proposed, and a partition that was just created, which never had one.
 * - D2. A primary that restarts takes a new epoch before it does anything. In the old one it may have sent entries
 *   that it no longer has, and it has forgotten whose admission it proposed. Only a primary that never told anybody
 *   anything in that epoch (`shared` is false) may resume it.
 * - D3. A member whose admission is merely *proposed* counts for commit and lease already, because the proposal may be
 *   accepted at any moment without the primary knowing. It counts until a newer version is seen, however long.
 * - D4. Nobody is admitted while the primary still waits out its promise: an old primary may hold a lease that rests
 *   on that promise, and the newcomer has promised it nothing.
 * - D5. Entries keep the version in which they were first written, and logs are reconciled by comparing versions from
 *   the end (Kafka KIP-101, KIP-279), never by cutting at a commit point. A new primary's whole log is authoritative;
 *   what it inherited uncommitted is committed again by the ordinary rule, and until then (`reconcileTo`) it answers
 *   no read and admits nobody.
 *
 * What is in memory changes when a write is *enqueued*; what is told to others changes when it is *durable*. Each
 * `persist` has a number, and completions arrive in that order. A completion for entries that were cut off since
 * marks nothing durable.
 *
 * This file is the door: what the host asks, and which part an event belongs to. The rest is in replica/, one concern
 * to a file, in the order in which one leans on the other:
 *
 *     replica-state   what is known, and who writes it     | peers, entry-stream   a primary and those it works with
 *     rules           what safety rests on                 | snapshot-source       giving a snapshot
 *     disk-queue      what is on its way to the disk       | tenures               from configuration to role
 *     proposals       what the master is asked             | membership            who leaves, who joins
 *     held-answers, confirmations   answers that wait      | following             a secondary
 *     handovers       passing the role on                  | snapshot-copy         taking a snapshot in
 *     committing      durable, committed, applied          | log-budget            how much of the log is kept
 *     writing         from a request to the log            |
 *
 * Not here: beacon frames (beacon.ts), reading and writing rows, choosing where replicas should be.
 */
import { invariant, unreachable } from '@diststore/base';
import { hasMember } from '@diststore/cluster';
import type { Configuration, Member, PartitionId, Ver, WorkerIndex } from '@diststore/cluster';

import type { BeaconItem, BeaconSource } from './beacon.js';
import type { Seq } from './entry.js';
import type { Message } from './message.js';
import type { PendingKey } from './pending-writes.js';
import type { Effect, Moment, ReplicaEvent, Role } from './replica-event.js';
import { Committing } from './replica/committing.js';
import { Confirmations } from './replica/confirmations.js';
import { Contact } from './replica/contact.js';
import { DiskQueue } from './replica/disk-queue.js';
import { EntryStream } from './replica/entry-stream.js';
import { Following } from './replica/following.js';
import { Handovers } from './replica/handovers.js';
import { HeldAnswers } from './replica/held-answers.js';
import { LogBudget } from './replica/log-budget.js';
import { Membership } from './replica/membership.js';
import { Peers } from './replica/peers.js';
import { Proposals } from './replica/proposals.js';
import { ReplicaState, verOf } from './replica/replica-state.js';
import type { ReplicaOptions } from './replica/replica-state.js';
import { Rules } from './replica/rules.js';
import { SnapshotCopy } from './replica/snapshot-copy.js';
import { SnapshotSource } from './replica/snapshot-source.js';
import { Tenures } from './replica/tenures.js';
import { Writing } from './replica/writing.js';

/** Names the tenure in which a read began; the answer is valid in the same one only. */
export interface ReadToken {
  readonly tenure: number;
}

export type ReadVerdict = 'ok' | 'retry-later' | 'not-primary';

/** For metrics and for people. */
export interface ReplicaStatus {
  readonly role: Role;
  readonly ver: Ver | null;
  readonly configuration: Configuration | null;
  readonly state: 'ok' | 'loading';
  readonly last: Seq;
  readonly durable: Seq;
  readonly committed: Seq;
  readonly applied: Seq;
  readonly base: Seq;
  readonly shared: boolean;
  /** Learners and members that the primary still works on. */
  readonly peers: readonly {
    readonly worker: WorkerIndex;
    readonly installed: boolean;
    readonly acked: Seq;
    readonly loading: boolean;
  }[];
}

export class Replica implements BeaconSource {
  readonly partition: PartitionId;
  readonly self: Member;
  protected readonly state: ReplicaState;
  protected readonly rules: Rules;
  private readonly disk: DiskQueue;
  private readonly proposals: Proposals;
  private readonly held: HeldAnswers;
  private readonly confirmations: Confirmations;
  private readonly handovers: Handovers;
  private readonly committing: Committing;
  private readonly writing: Writing;
  private readonly contact: Contact;
  private readonly snapshotSource: SnapshotSource;
  private readonly peers: Peers;
  private readonly stream: EntryStream;
  private readonly membership: Membership;
  private readonly tenures: Tenures;
  private readonly following: Following;
  private readonly budget: LogBudget;
  private readonly snapshotCopy: SnapshotCopy;
  private lastTickMs: number;

  /** @param rulesFor the rules to act by; others than the real ones are for tests that break one on purpose */
  constructor(options: ReplicaOptions, rulesFor = (state: ReplicaState): Rules => new Rules(state)) {
    const s = new ReplicaState(options);
    const rules = rulesFor(s);
    s.promiseUntilMs = rules.promiseAtStart(options.isNewStore);
    this.state = s;
    this.rules = rules;
    this.partition = s.partition;
    this.self = s.self;
    this.lastTickMs = s.nowMs;
    this.disk = new DiskQueue(s);
    this.proposals = new Proposals(s);
    this.held = new HeldAnswers(s, rules);
    this.confirmations = new Confirmations(s, rules);
    this.handovers = new Handovers(s, rules, this.proposals, this.held, this.confirmations);
    this.committing = new Committing(s, rules, this.disk, this.held, this.handovers);
    this.writing = new Writing(s, rules, this.disk, this.held, this.handovers);
    this.contact = new Contact(s, this.disk);
    this.snapshotSource = new SnapshotSource(s, rules, this.contact);
    this.peers = new Peers(s, rules, this.contact, this.snapshotSource);
    this.stream = new EntryStream(s, this.peers);
    this.membership = new Membership(s, rules, this.proposals, this.handovers);
    const { disk, proposals, held, confirmations, handovers, contact, peers } = this;
    const begun = { disk, proposals, held, confirmations, handovers, contact, peers };
    this.tenures = new Tenures(s, rules, begun);
    this.following = new Following(s, rules, this.disk, this.proposals, this.tenures, this.committing);
    this.budget = new LogBudget(s, this.disk);
    this.snapshotCopy = new SnapshotCopy(s, rules, this.disk, this.tenures, this.budget);
  }

  // ---------------------------------------------------------------------------------------------- what the host asks

  /** The last entry that the data on disk reflects. */
  get applied(): Seq {
    return this.state.applied;
  }

  /** Records of this version or below are deleted, for readers. */
  get clearedThrough(): Seq {
    return this.state.committedClear;
  }

  /** The newest that this replica has heard of; null: none. */
  get configuration(): Configuration | null {
    return this.state.seen;
  }

  get status(): ReplicaStatus {
    const { role, seen, installed, log, durable, committed, applied, peers } = this.state;
    return {
      role,
      ver: seen,
      configuration: seen,
      state: installed.state,
      last: log.last,
      durable,
      committed,
      applied,
      base: log.base,
      shared: installed.shared,
      peers: [...peers.values()].map((peer) => ({
        worker: peer.worker,
        installed: peer.installed,
        acked: peer.acked,
        loading: peer.snapshot !== undefined,
      })),
    };
  }

  /**
   * Whether this replica is neither in sync nor wanted: its host may drop it after a while. Not while a primary speaks
   * with it: that one may know of a newer target, and be about to rely on what is here.
   */
  get isRetired(): boolean {
    const { seen, target, nowMs, primaryHeardMs, timing } = this.state;
    if (seen === null || target === undefined || !this.disk.isEmpty) return false;
    if (nowMs - primaryHeardMs < timing.graceMs) return false;
    return !hasMember(seen.insync, this.self) && !target.replicas.includes(this.self.worker);
  }

  /** Whether a planned stop now would leave no work undone that others could take over. */
  get mayStop(): boolean {
    const { seen, role, leads } = this.state;
    if (leads) return seen?.insync.length === 1;
    if (role !== 'follower' || seen === null) return true;
    return seen.insync.length - 1 < seen.minInSync;
  }

  /** What the data does not show yet of a key; look here before the data. By `keyName`. */
  pending(name: string): PendingKey | undefined {
    return this.state.pendingWrites.of(name);
  }

  /** The partition's clock, by which a record is expired or not, for readers: it never falls behind a logged write. */
  clockMs(wallMs: number): number {
    return this.writing.clockMs(wallMs);
  }

  /** Before a linearizable or confirmed read looks anything up. */
  beginRead(moment: Moment): ReadToken | Exclude<ReadVerdict, 'ok'> {
    const token = { tenure: this.state.tenure };
    const verdict = this.mayAnswer(token, moment);
    return verdict === 'ok' ? token : verdict;
  }

  /** Before a confirmed read looks anything up. */
  beginConfirmedRead(): ReadToken | Exclude<ReadVerdict, 'ok'> {
    const token = { tenure: this.state.tenure };
    const verdict = this.mayAnswerConfirmed(token);
    return verdict === 'ok' ? token : verdict;
  }

  /**
   * Whether a value looked up since `beginRead` may be given out as the newest. Asked with the value in hand,
   * immediately before answering: a pause after it is harmless, a pause before it is what it detects.
   */
  mayAnswer(token: ReadToken, moment: Moment): ReadVerdict {
    const verdict = this.mayAnswerConfirmed(token);
    if (verdict !== 'ok') return verdict;
    return moment.clockSane && this.rules.mayServe(moment.nowMs) ? 'ok' : 'retry-later';
  }

  /**
   * As `mayAnswer`, for a read that was confirmed by a round trip: no clock is asked.
   * REQUIRES: the value was in hand before `confirm` was stepped, in this same tenure.
   */
  mayAnswerConfirmed(token: ReadToken): ReadVerdict {
    const { role, tenure } = this.state;
    if (role !== 'primary') return role === 'stopping' ? 'retry-later' : 'not-primary';
    return token.tenure === tenure && this.rules.isReconciled() ? 'ok' : 'retry-later';
  }

  /**
   * For a read that may be old: how old, or undefined while the data here is not to be read at all. Only of one in sync
   * that says when it last heard its primary how old its data may be: a learner may have heard it just now, and have
   * next to nothing.
   */
  staleness(nowMs: number): { asOfSeq: Seq; lagMs: number } | undefined {
    const { self, seen, installed, failed, applied, primaryHeardMs } = this.state;
    if (seen === null || !hasMember(seen.insync, self) || installed.state !== 'ok' || failed)
      return undefined;
    return { asOfSeq: applied, lagMs: this.mayServe(nowMs) ? 0 : nowMs - primaryHeardMs };
  }

  /** The one gate: see rules.ts. */
  mayServe(nowMs: number): boolean {
    return this.rules.mayServe(nowMs);
  }

  /** What the next beacon to this worker says about this partition. */
  beaconFor(worker: WorkerIndex): BeaconItem | undefined {
    const { seen, role, installedDurable, peers, log, committed } = this.state;
    if (role !== 'primary' || seen === null || !installedDurable) return undefined;
    if (peers.get(worker)?.installed !== true) return undefined;
    const chain = log.chainAt(committed);
    // The chain at the commit point has left memory only when a peer is very far behind.
    return chain === undefined ? undefined : { ver: verOf(seen), committed, chain };
  }

  // ----------------------------------------------------------------------------------------------------------- events

  step(event: ReplicaEvent, { nowMs, clockSane }: Moment): Effect[] {
    const s = this.state;
    if (s.failed) return [];
    invariant(nowMs >= s.nowMs, 'time does not go back', { was: s.nowMs, is: nowMs });
    s.nowMs = nowMs;
    const effects: Effect[] = [];
    s.effects = effects;
    if (clockSane !== s.sane) {
      if (!clockSane) this.onClockJump();
      s.sane = clockSane;
    }
    if (event.type === 'write') {
      this.writing.onWrite(event);
    } else {
      this.writing.flush();
      this.dispatch(event);
      if (s.role === 'primary') {
        this.writing.flush();
        this.committing.tryCommit();
        for (const peer of s.peers.values()) this.stream.pump(peer);
      }
    }
    return effects;
  }

  private dispatch(event: Exclude<ReplicaEvent, { type: 'write' }>): void {
    switch (event.type) {
      case 'start':
        this.tenures.onStart();
        return;
      case 'tick':
        this.onTick(event.wallMs, event.masterReachable);
        return;
      case 'flush':
        return;
      case 'message':
        this.onMessage(event.from, event.message);
        return;
      case 'beacon':
        this.following.onBeacon(event.from, event.leaseMs, event.item);
        return;
      case 'beaconAccepted':
        this.peers.onBeaconAccepted(event);
        return;
      case 'persisted':
        this.onPersisted(event.number, event.ver);
        return;
      case 'configuration':
        this.tenures.onConfiguration(event.configuration);
        return;
      case 'target':
        this.tenures.onTarget(event.target);
        return;
      case 'proposalAnswer':
        this.tenures.onProposalAnswer(event.proposalId, event.decision);
        return;
      case 'proposalFailed':
        this.state.refuseBeaconsUntilMs = 0;
        return;
      case 'refused':
        this.peers.onRefused(event.worker);
        return;
      case 'fence':
        if (event.gen > this.state.fence) this.state.fence = event.gen;
        return;
      case 'handover':
        this.handovers.ask(event.to);
        return;
      case 'masterAnswered':
        this.handovers.onMasterAnswered(event.token);
        return;
      case 'shutdown':
        this.state.leaving = true;
        this.proposals.askToLeave();
        this.handovers.ask(undefined);
        return;
      case 'stay':
        this.state.leaving = false;
        this.handovers.forget();
        return;
      case 'confirm':
        this.confirmations.onConfirm(event.token);
        return;
      case 'logRead':
        this.stream.onLogRead(event.worker, event.entries);
        return;
      case 'snapshotOpened':
        this.snapshotSource.onOpened(event.snapshotId, event.state);
        return;
      case 'snapshotRead':
        this.snapshotSource.onRead(event);
        return;
      case 'snapshotFailed':
        this.snapshotSource.onFailed(event.snapshotId);
        return;
      default:
        return unreachable(event);
    }
  }

  private onMessage(from: Member, message: Message): void {
    switch (message.type) {
      case 'install':
        this.following.onInstall(from, message);
        return;
      case 'installed':
        this.peers.onInstalled(from, message);
        return;
      case 'prepare':
        this.following.onPrepare(from, message);
        return;
      case 'prepared':
        this.stream.onPrepared(from, message);
        return;
      case 'missing':
        this.stream.onMissing(from, message);
        return;
      case 'uninstalled':
        this.peers.onUninstalled(from, message.ver);
        return;
      case 'configuration':
        this.tenures.onConfiguration(message.configuration);
        return;
      case 'leave': {
        const peer = this.peers.peerOf(from, message.ver);
        if (peer === undefined) return;
        peer.leavingUntilMs = this.state.nowMs + this.state.timing.leaseMs;
        this.membership.considerLeaving();
        return;
      }
      case 'confirm':
        this.confirmations.onRequest(from, message);
        return;
      case 'confirmed':
        if (this.state.role === 'primary' && this.peers.peerOf(from, message.ver) !== undefined)
          this.confirmations.onConfirmed(from, message);
        return;
      case 'snapshotBegin':
        this.snapshotCopy.onBegin(from, message);
        return;
      case 'snapshotChunk':
        this.snapshotCopy.onChunk(from, message);
        return;
      case 'snapshotEnd':
        this.snapshotCopy.onEnd(from, message);
        return;
      case 'snapshotAck': {
        const peer = this.peers.peerOf(from, message.ver);
        if (peer !== undefined) this.snapshotSource.onAck(peer, message);
        return;
      }
      default:
        return unreachable(message);
    }
  }

  private onPersisted(number: number, ver: Ver | null): void {
    this.committing.onPersisted(number, ver);
    if (this.state.role !== 'primary') this.following.acknowledge();
  }

  /** The clocks of this machine disagree: what rests on them is given back, and what was promised is promised anew. */
  private onClockJump(): void {
    const s = this.state;
    for (const peer of s.peers.values()) peer.leaseUntilMs = 0;
    s.clockJumpMs = s.nowMs;
    s.promise();
  }

  private onTick(wallMs: number, masterReachable: boolean): void {
    const s = this.state;
    invariant(Number.isFinite(wallMs), 'the wall clock shows a time', { wallMs });
    s.masterReachable = masterReachable;
    if (!masterReachable) s.refuseBeaconsUntilMs = 0;
    if (s.nowMs - this.lastTickMs > s.timing.stallMs) s.noteStall();
    this.lastTickMs = s.nowMs;
    if (s.role === 'primary') this.tickPrimary();
    else if (s.role === 'follower') this.following.onTick();
    else if (s.role === 'none') this.tenures.onTickWithoutRole();
    this.proposals.retry();
    this.budget.trim();
  }

  private tickPrimary(): void {
    this.held.giveUpOldest();
    if (!this.state.installedDurable) return;
    this.tenures.noteWaited();
    this.contact.all();
    for (const peer of this.state.peers.values()) {
      this.stream.onTick(peer);
      this.snapshotSource.onTick(peer);
    }
    this.membership.considerRemovals();
    this.membership.considerAdmissions();
    this.membership.considerLeaving();
    this.handovers.consider();
    this.confirmations.expire();
  }
}
