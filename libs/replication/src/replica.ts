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
 * Not here: beacon frames (beacon.ts), reading and writing rows, choosing where replicas should be.
 */
import { invariant, unreachable } from '@diststore/base';
import {
  admissionOf,
  compareVer,
  handoverOf,
  hasEnoughInSync,
  hasMember,
  memberOf,
  nextVer,
  promotionOf,
  proposalId,
  removalOf,
  sameMember,
  sameVer,
  secondaries,
  startsWithoutWaiting,
} from '@diststore/cluster';
import type {
  Configuration,
  Decision,
  Generation,
  Member,
  PartitionId,
  ReplicaProposal,
  Roles,
  StoreId,
  Target,
  Ver,
  WorkerIndex,
} from '@diststore/cluster';

import type { BeaconItem, BeaconSource } from './beacon.js';
import { sameChain } from './chain.js';
import { appliedAfter, APPLIED_NOTHING } from './durable-state.js';
import type { AppliedState, InstalledState } from './durable-state.js';
import { isSoundOp, keyName, makeEntry } from './entry.js';
import type { Counts, Entry, Request, Seq } from './entry.js';
import {
  CONFIRMATIONS_MAX,
  ENTRY_OPS_MAX,
  HELD_ANSWERS_MAX,
  PREPARE_BYTES_MAX,
  PREPARE_ENTRIES_MAX,
  RESULT_BYTES_MAX,
  SEGMENTS_MAX,
  SNAPSHOT_CHUNKS_IN_FLIGHT,
  STREAM_ENTRIES_MAX,
  WINDOW_BYTES_MAX,
  WINDOW_ENTRIES_MAX,
} from './limits.js';
import type { Message, SnapshotRow } from './message.js';
import { newPeer } from './peer.js';
import type { Peer, SnapshotSession } from './peer.js';
import { PendingWrites } from './pending-writes.js';
import type { PendingRecord } from './pending-writes.js';
import { matchPoint, MemoryIndexedLog } from './replica-log.js';
import type {
  Client,
  Decided,
  DurableWrite,
  Effect,
  Moment,
  Reads,
  ReplicaEvent,
  Reply,
  Role,
  StoredRecord,
  WriteView,
} from './replica-event.js';
import { assertTiming, promiseOutlastsLease } from './timing.js';
import type { Timing } from './timing.js';

export interface ReplicaOptions {
  readonly partition: PartitionId;
  readonly worker: WorkerIndex;
  readonly store: StoreId;
  /** Of this process on this store; makes proposal ids unique and old answers recognisable. */
  readonly boot: number;
  readonly timing: Timing;
  /** As read from disk, or new. */
  readonly installed: InstalledState;
  readonly applied: AppliedState;
  /** All retained entries, checked with `problemOfLog`. */
  readonly entries: readonly Entry[];
  readonly nowMs: number;
  /** True: the store was created by this very process, so nothing was ever promised on it. */
  readonly isNewStore: boolean;
  /** Configurations of older generations are refused. */
  readonly fence: Generation;
  /** How much of the log to keep for others to catch up from, on disk and in memory. */
  readonly logBytes: number;
  readonly logMemoryBytes: number;
}

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

/** A `persist` on its way. Enqueuing order is completion order. */
interface Pending {
  readonly number: number;
  readonly ver: Ver | null;
  /** The log is durable through here once this completes; lowered when the log is cut. -1: says nothing of it. */
  appended: Seq;
  /** The data is durable through here once this completes. -1: says nothing of it. */
  applied: Seq;
  /** Since when, for those that somebody waits for. */
  readonly urgentSinceMs: number | undefined;
  readonly then: (() => void) | undefined;
}

interface OpenProposal {
  readonly proposal: ReplicaProposal;
  sentMs: number;
  refused: boolean;
}

interface HeldAnswer {
  readonly client: Client;
  readonly reply: Reply;
  /** The entry it looked at. */
  readonly until: Seq;
  readonly sinceMs: number;
}

interface Loading {
  readonly state: AppliedState;
  /** Chunks enqueued, and durable. */
  received: number;
  durable: number;
  /** Chunks that overtook others, by index. */
  readonly early: Map<number, readonly SnapshotRow[]>;
}

interface Handover {
  readonly to: Member;
  readonly sinceMs: number;
}

interface ConfirmRound {
  readonly round: number;
  readonly tokens: number[];
  readonly missing: Set<WorkerIndex>;
  readonly sentMs: number;
}

export class Replica implements BeaconSource {
  readonly partition: PartitionId;
  readonly self: Member;
  protected readonly boot: number;
  protected readonly timing: Timing;
  private readonly logBytes: number;
  private readonly logMemoryBytes: number;

  // As enqueued for the disk.
  protected installed: InstalledState;
  protected queuedState: AppliedState;
  protected log: MemoryIndexedLog;
  /** Entries sequenced and not yet enqueued lie above this. */
  private flushedTo: Seq;

  // As known to be on the disk.
  protected durable: Seq;
  protected appliedSeq: Seq;
  private installedDurable = true;
  private readonly queue: Pending[] = [];
  private queueNumber = 0;

  // What is known of the partition.
  protected seen: Configuration | null;
  private target: Target | undefined;
  private fence: Generation;
  protected role: Role = 'none';
  protected committed: Seq;
  private committedClear: Seq;
  private loading: Loading | undefined;

  // Time.
  protected nowMs: number;
  private sane = true;
  protected promiseUntilMs: number;
  private lastTickMs: number;
  private notBeforeMs = 0;
  private masterReachable = true;
  private primaryHeardMs = -Infinity;
  private refuseBeaconsUntilMs = 0;

  // Of a primary.
  protected tenure = 0;
  private tenureSinceMs = 0;
  protected waitUntilMs = 0;
  protected reconcileTo: Seq = 0;
  protected readonly peers = new Map<WorkerIndex, Peer>();
  protected pendingAdd: Member[] = [];
  private readonly pendingWrites = new PendingWrites();
  private held: HeldAnswer[] = [];
  private handover: Handover | undefined;
  private handoverRequest: { to: WorkerIndex | undefined } | undefined;
  private nextHandoverMs = 0;
  private leaving = false;
  private judgeAfterMs = 0;
  private confirmTokens: number[] = [];
  private confirmRounds: ConfirmRound[] = [];
  private confirmRound = 0;
  private windowBytes = 0;
  private newestSnapshotId = 0;
  private ageMarks: { seq: Seq; atMs: number }[] = [];

  private readonly proposals = new Map<ReplicaProposal['kind'], OpenProposal>();
  private proposalNumber = 0;
  private failed = false;
  private effects: Effect[] = [];

  constructor(options: ReplicaOptions) {
    assertTiming(options.timing);
    this.partition = options.partition;
    this.installed = options.installed;
    const { worker, store } = options;
    this.self = { worker, store, incarnation: options.installed.incarnation };
    this.boot = options.boot;
    this.timing = options.timing;
    this.logBytes = options.logBytes;
    this.logMemoryBytes = options.logMemoryBytes;
    this.queuedState = options.applied;
    this.log = new MemoryIndexedLog(options.applied, options.entries);
    this.durable = this.log.last;
    this.flushedTo = this.log.last;
    this.appliedSeq = options.applied.applied;
    this.committed = options.applied.applied;
    this.committedClear = options.applied.clearedThrough;
    this.seen = options.installed.configuration;
    this.fence = options.fence;
    this.nowMs = options.nowMs;
    this.lastTickMs = options.nowMs;
    this.promiseUntilMs = this.promiseAtStart(options);
    invariant(this.appliedSeq <= this.log.last, 'what is applied is in the log', this.facts());
  }

  /** What an earlier process on this store promised is not known: it is assumed that it just did. */
  protected promiseAtStart({ installed, nowMs, isNewStore }: ReplicaOptions): number {
    const { configuration, tenure, waited } = installed;
    const wasFreeToServe = tenure && waited && configuration !== null && this.isSelf(configuration.primary);
    return isNewStore || wasFreeToServe ? 0 : nowMs + this.timing.graceMs;
  }

  // ---------------------------------------------------------------------------------------------- what the host asks

  /** The last entry that the data on disk reflects. */
  get applied(): Seq {
    return this.appliedSeq;
  }

  /** Records of this version or below are deleted, for readers. */
  get clearedThrough(): Seq {
    return this.committedClear;
  }

  get status(): ReplicaStatus {
    return {
      role: this.role,
      ver: this.seen,
      configuration: this.seen,
      state: this.installed.state,
      last: this.log.last,
      durable: this.durable,
      committed: this.committed,
      applied: this.appliedSeq,
      base: this.log.base,
      shared: this.installed.shared,
      peers: [...this.peers.values()].map(({ worker, installed, acked, snapshot }) => ({
        worker,
        installed,
        acked,
        loading: snapshot !== undefined,
      })),
    };
  }

  /** Whether this replica is neither in sync nor wanted: its host may drop it after a while. */
  get isRetired(): boolean {
    const { seen, target } = this;
    if (seen === null || target === undefined || this.queue.length > 0) return false;
    return !hasMember(seen.insync, this.self) && !target.replicas.includes(this.self.worker);
  }

  /** Whether a planned stop now would leave work undone that others could take over. */
  get mayStop(): boolean {
    if (this.role === 'primary' || this.role === 'stopping') {
      return this.seen?.insync.length === 1;
    }
    const { seen } = this;
    if (this.role !== 'follower' || seen === null) return true;
    return seen.insync.length - 1 < seen.minInSync;
  }

  /** A committed record that the data does not show yet; look here before the data. By `keyName`. */
  overlay(name: string): PendingRecord | undefined {
    return this.pendingWrites.committed(name);
  }

  /** Before a linearizable or confirmed read looks anything up. */
  beginRead(moment: Moment): ReadToken | Exclude<ReadVerdict, 'ok'> {
    const token = { tenure: this.tenure };
    const verdict = this.mayAnswer(token, moment);
    return verdict === 'ok' ? token : verdict;
  }

  /** Before a confirmed read looks anything up. */
  beginConfirmedRead(): ReadToken | Exclude<ReadVerdict, 'ok'> {
    const token = { tenure: this.tenure };
    const verdict = this.mayAnswerConfirmed(token);
    return verdict === 'ok' ? token : verdict;
  }

  /**
   * Whether a value looked up since `beginRead` may be given out as the newest. Asked with the value in hand,
   * immediately before answering: a pause after it is harmless, a pause before it is what it detects.
   */
  mayAnswer(token: ReadToken, moment: Moment): ReadVerdict {
    if (this.role !== 'primary') return this.role === 'stopping' ? 'retry-later' : 'not-primary';
    if (token.tenure !== this.tenure || !this.isReconciled()) return 'retry-later';
    return moment.clockSane && this.mayServe(moment.nowMs) ? 'ok' : 'retry-later';
  }

  /**
   * As `mayAnswer`, for a read that was confirmed by a round trip: no clock is asked.
   * REQUIRES: the value was in hand before `confirm` was stepped, in this same tenure.
   */
  mayAnswerConfirmed(token: ReadToken): ReadVerdict {
    if (this.role !== 'primary') return this.role === 'stopping' ? 'retry-later' : 'not-primary';
    return token.tenure === this.tenure && this.isReconciled() ? 'ok' : 'retry-later';
  }

  /** For a read that may be old: how old, or undefined while the data here is not to be read at all. */
  staleness(nowMs: number): { asOfSeq: Seq; lagMs: number } | undefined {
    if (this.installed.state !== 'ok' || this.installed.configuration === null || this.failed)
      return undefined;
    const lagMs = this.role === 'primary' && this.mayServe(nowMs) ? 0 : nowMs - this.primaryHeardMs;
    return { asOfSeq: this.appliedSeq, lagMs };
  }

  /**
   * The one gate. A primary may commit, answer reads and hand over while its own promise is over and it holds a lease
   * of every other required member, all of them taking part in this version.
   */
  mayServe(nowMs: number): boolean {
    if (this.role !== 'primary' || !this.installedDurable || this.failed) return false;
    if (nowMs < this.waitUntilMs) return false;
    for (const member of this.leaseGivers()) {
      const peer = this.peers.get(member.worker);
      if (peer === undefined || !this.holdsLease(peer, member, nowMs)) return false;
    }
    return true;
  }

  protected holdsLease(peer: Peer, member: Member, nowMs: number): boolean {
    return (
      peer.installed &&
      peer.member !== undefined &&
      sameMember(peer.member, member) &&
      nowMs < peer.leaseUntilMs
    );
  }

  /** What the next beacon to this worker says about this partition. */
  beaconFor(worker: WorkerIndex): BeaconItem | undefined {
    const { seen } = this;
    if (this.role !== 'primary' || seen === null || !this.installedDurable) return undefined;
    if (this.peers.get(worker)?.installed !== true) return undefined;
    const chain = this.log.chainAt(this.committed);
    // The chain at the commit point has left memory only when a peer is very far behind.
    return chain === undefined ? undefined : { ver: verOf(seen), committed: this.committed, chain };
  }

  // ----------------------------------------------------------------------------------------------------------- events

  step(event: ReplicaEvent): Effect[] {
    if (this.failed) return [];
    invariant(event.nowMs >= this.nowMs, 'time does not go back', { was: this.nowMs, is: event.nowMs });
    this.nowMs = event.nowMs;
    const effects: Effect[] = [];
    this.effects = effects;
    if (event.clockSane !== this.sane) {
      if (!event.clockSane) this.onClockJump();
      this.sane = event.clockSane;
    }
    if (event.type === 'write') {
      this.onWrite(event);
    } else {
      this.flush();
      this.dispatch(event);
      if (this.role === 'primary') {
        this.flush();
        this.tryCommit();
        for (const peer of this.peers.values()) this.pump(peer);
      }
    }
    return effects;
  }

  private dispatch(event: Exclude<ReplicaEvent, { type: 'write' }>): void {
    switch (event.type) {
      case 'start': {
        this.onStart();
        return;
      }
      case 'tick': {
        this.onTick(event.wallMs, event.masterReachable);
        return;
      }
      case 'flush':
        return;
      case 'message': {
        this.onMessage(event.from, event.message);
        return;
      }
      case 'beacon': {
        this.onBeacon(event.from, event.leaseMs, event.item);
        return;
      }
      case 'beaconAccepted': {
        this.onBeaconAccepted(event);
        return;
      }
      case 'persisted': {
        this.onPersisted(event.number, event.ver);
        return;
      }
      case 'configuration': {
        this.onConfiguration(event.configuration);
        return;
      }
      case 'target': {
        this.onTarget(event.target);
        return;
      }
      case 'proposalAnswer': {
        this.onProposalAnswer(event.proposalId, event.decision);
        return;
      }
      case 'proposalFailed':
        this.refuseBeaconsUntilMs = 0;
        return;
      case 'refused': {
        const peer = this.peers.get(event.worker);
        if (peer !== undefined) peer.refused = true;
        return;
      }
      case 'fence':
        if (event.gen > this.fence) this.fence = event.gen;
        return;
      case 'handover':
        this.handoverRequest = { to: event.to };
        {
          this.considerHandover();
          return;
        }
      case 'shutdown':
        this.leaving = true;
        this.handoverRequest = { to: undefined };
        this.askToLeave();
        {
          this.considerHandover();
          return;
        }
      case 'confirm': {
        this.onConfirm(event.token);
        return;
      }
      case 'logRead': {
        this.onLogRead(event.worker, event.entries);
        return;
      }
      case 'snapshotOpened': {
        this.onSnapshotOpened(event.snapshotId, event.state);
        return;
      }
      case 'snapshotRead': {
        this.onSnapshotRead(event);
        return;
      }
      case 'snapshotFailed': {
        this.onSnapshotFailed(event.snapshotId);
        return;
      }
      default:
        return unreachable(event);
    }
  }

  private onMessage(from: Member, message: Message): void {
    switch (message.type) {
      case 'install': {
        this.onInstall(from, message);
        return;
      }
      case 'installed': {
        this.onInstalled(from, message);
        return;
      }
      case 'prepare': {
        this.onPrepare(from, message);
        return;
      }
      case 'prepared': {
        this.onPrepared(from, message);
        return;
      }
      case 'missing': {
        this.onMissing(from, message);
        return;
      }
      case 'uninstalled': {
        this.onUninstalled(from, message.ver);
        return;
      }
      case 'configuration': {
        this.onConfiguration(message.configuration);
        return;
      }
      case 'leave': {
        this.onLeave(from, message.ver);
        return;
      }
      case 'confirm': {
        this.onConfirmRequest(from, message);
        return;
      }
      case 'confirmed': {
        this.onConfirmed(from, message);
        return;
      }
      case 'snapshotBegin': {
        this.onSnapshotBegin(from, message);
        return;
      }
      case 'snapshotChunk': {
        this.onSnapshotChunk(from, message);
        return;
      }
      case 'snapshotEnd': {
        this.onSnapshotEnd(from, message);
        return;
      }
      case 'snapshotAck': {
        this.onSnapshotAck(from, message);
        return;
      }
      default:
        return unreachable(message);
    }
  }

  private onStart(): void {
    const { configuration, tenure, shared } = this.installed;
    this.settleRole();
    if (configuration === null || !tenure || !this.isSelf(configuration.primary)) return;
    if (this.mayResume(configuration, shared)) this.beginTenure(configuration, false);
    else this.proposeRestart();
  }

  /** A sole primary that told nobody anything in this version goes on with it (the exception to D2). */
  protected mayResume(configuration: Configuration, shared: boolean): boolean {
    return configuration.insync.length === 1 && !shared;
  }

  // ---------------------------------------------------------------------------------------------------- configuration

  /** From the master, a proposal's answer, a peer; in any order, as often as it likes. */
  private onConfiguration(next: Configuration): void {
    const { seen } = this;
    if (next.gen < this.fence) return;
    if (seen !== null && compareVer(next, seen) <= 0) {
      if (this.role === 'none') this.settleRole();
      return;
    }
    const leads = this.role === 'primary' || this.role === 'stopping';
    const continuing = leads && seen !== null && this.isSelf(next.primary) && sameVer(next, nextVer(seen));
    this.seen = next;
    this.proposals.clear();
    this.refuseBeaconsUntilMs = 0;
    if (leads && !continuing) {
      this.stepDown();
      // The fastest way to the one who takes over, which may begin at once.
      if (next.kind === 'handover' && !this.isSelf(next.primary))
        this.send(next.primary.worker, { type: 'configuration', configuration: next });
    }
    if (this.isSelf(next.primary)) {
      this.startTenure(next, continuing);
    } else {
      this.settleRole();
      // One that owes no promise (it led itself until now) still gives the new primary time to be heard.
      this.notBeforeMs = Math.max(this.notBeforeMs, this.nowMs + this.timing.graceMs);
      if (this.leaving) this.askToLeave();
    }
  }

  /** The role of one who does not lead. */
  private settleRole(): void {
    if (this.role === 'primary' || this.role === 'stopping') return;
    const { seen } = this;
    let role: Role = 'none';
    if (seen !== null && !this.isSelf(seen.primary))
      role = hasMember(seen.insync, this.self) ? 'follower' : 'learner';
    this.setRole(role);
  }

  private setRole(role: Role): void {
    if (role === this.role) return;
    this.role = role;
    this.emit({ type: 'role', role, ver: this.seen });
  }

  private startTenure(next: Configuration, continuing: boolean): void {
    if (this.installed.state !== 'ok') {
      // Only an operator can name a half-copied replica; it cannot serve.
      this.fail('made primary while its data is incomplete');
      return;
    }
    const { configuration, tenure } = this.installed;
    if (!continuing && configuration !== null && tenure && sameVer(configuration, next)) {
      this.proposeRestart();
      return;
    }
    invariant(
      configuration === null || compareVer(next, configuration) > 0,
      'a replica leads each version at most once',
      this.facts(),
    );
    const waited = continuing && this.nowMs >= this.waitUntilMs;
    // From here on, so that nobody hears of this version before row 01 says it.
    this.installedDurable = false;
    this.beginTenure(next, continuing);
    const state: InstalledState = {
      ...this.installed,
      configuration: next,
      tenure: true,
      waited: waited || this.nowMs >= this.waitUntilMs,
      shared: next.insync.length > 1 || this.wantsOthers(),
    };
    this.install(state, []);
  }

  private beginTenure(configuration: Configuration, continuing: boolean): void {
    const { nowMs } = this;
    if (!continuing) {
      this.reconcileTo = this.reconcilePoint();
      this.waitUntilMs = this.waitOf(configuration);
      // What was just handed over is not handed back for a mere preference.
      this.nextHandoverMs = nowMs + 10 * this.timing.handoverDrainMs;
      this.rebuildPending();
    }
    this.tenure += 1;
    this.tenureSinceMs = nowMs;
    this.judgeAfterMs = nowMs + 2 * this.timing.beaconMs;
    this.handover = undefined;
    this.pendingAdd = [];
    this.failConfirmations();
    for (const peer of this.peers.values()) this.closeSnapshot(peer);
    this.peers.clear();
    this.setRole('primary');
    this.refreshPeers();
  }

  /** How far the inherited log must be committed again before anything is answered (D5). */
  protected reconcilePoint(): Seq {
    return this.log.last;
  }

  /** Until when a new primary serves and commits nothing (D1). */
  protected waitOf(configuration: Configuration): number {
    return startsWithoutWaiting(configuration) ? 0 : this.promiseUntilMs;
  }

  private rebuildPending(): void {
    this.pendingWrites.reset();
    this.windowBytes = 0;
    this.pendingWrites.preparedClear = this.committedClear;
    for (let seq = this.appliedSeq + 1; seq <= this.log.last; seq += 1) {
      const entry = this.entryAt(seq);
      this.pendingWrites.prepare(entry);
      if (seq <= this.committed) this.pendingWrites.commit(entry);
      else this.windowBytes += entry.bytes.length;
    }
  }

  /** Leads no more. The log stays as it is: the next primary decides what of it counts. */
  private stepDown(): void {
    for (const { client } of this.pendingWrites.takeAllWaiters())
      this.reply(client, { type: 'unknown', reason: 'deposed' });
    for (const { client, reply } of this.held.splice(0))
      this.reply(client, reply.type === 'ok' ? { type: 'unknown', reason: 'deposed' } : this.notPrimary());
    this.failConfirmations();
    for (const peer of this.peers.values()) this.closeSnapshot(peer);
    this.peers.clear();
    this.pendingAdd = [];
    this.pendingWrites.reset();
    this.windowBytes = 0;
    this.handover = undefined;
    this.tenure += 1;
    this.role = 'none';
  }

  private onTarget(target: Target): void {
    if (this.target !== undefined && target.rev <= this.target.rev) return;
    this.target = target;
    if (this.role === 'primary') this.refreshPeers();
  }

  private wantsOthers(): boolean {
    return this.target?.replicas.some((worker) => worker !== this.self.worker) ?? false;
  }

  /** Keeps one `Peer` for each worker that is required or wanted. */
  private refreshPeers(): void {
    const { seen } = this;
    if (seen === null) return;
    const required = this.requiredMembers();
    const wanted = new Set<WorkerIndex>(required.map(({ worker }) => worker));
    for (const worker of this.target?.replicas ?? []) if (worker !== this.self.worker) wanted.add(worker);
    for (const [worker, peer] of this.peers) {
      if (wanted.has(worker)) continue;
      this.closeSnapshot(peer);
      this.peers.delete(worker);
    }
    for (const worker of wanted) {
      const peer = this.peers.get(worker);
      const member = memberOf(required, worker);
      if (peer === undefined) this.peers.set(worker, newPeer(worker, member, this.nowMs));
      else if (member !== undefined && (peer.member === undefined || !sameMember(peer.member, member)))
        this.peers.set(worker, newPeer(worker, member, this.nowMs));
    }
    this.contactPeers();
  }

  /** Says INSTALL to whoever has not answered it. Nobody hears of this version before it, and `shared`, is durable. */
  private contactPeers(): void {
    if (this.role !== 'primary' || !this.installedDurable || this.peers.size === 0) return;
    if (!this.installed.shared) {
      this.install({ ...this.installed, shared: true }, []);
      return;
    }
    for (const peer of this.peers.values()) {
      if (peer.installed || peer.snapshot !== undefined) continue;
      if (this.nowMs - peer.installSentMs < this.timing.beaconMs) continue;
      this.sendInstall(peer);
    }
  }

  private sendInstall(peer: Peer): void {
    invariant(
      this.seen !== null && this.installed.shared,
      'only a shared version is spoken of',
      this.facts(),
    );
    peer.installSentMs = this.nowMs;
    this.send(peer.worker, {
      type: 'install',
      configuration: this.seen,
      log: this.log.shape(),
      committed: this.committed,
      leaseMs: this.timing.leaseMs,
      sentAtMs: this.nowMs,
      boot: this.boot,
    });
  }

  /** Everybody else who must hold a write before it commits, and whose lease is needed (D3). */
  protected requiredMembers(): Member[] {
    const insync = this.seen?.insync ?? [];
    const others = insync.filter((member) => !this.isSelf(member));
    return this.pendingAdd.length === 0 ? others : [...others, ...this.pendingAdd];
  }

  protected leaseGivers(): readonly Member[] {
    return this.requiredMembers();
  }

  // ---------------------------------------------------------------------------------------------------------- writing

  private onWrite(event: Extract<ReplicaEvent, { type: 'write' }>): void {
    const { client, request, reads } = event;
    const { seen } = this;
    if (this.role !== 'primary' || seen === null) {
      this.reply(client, this.role === 'stopping' ? { type: 'retry-later' } : this.notPrimary());
      return;
    }
    if (request !== undefined && this.answerRepeated(client, request, reads)) return;
    if (!this.mayAdmit()) {
      this.reply(client, { type: 'retry-later' });
      return;
    }
    if (!hasEnoughInSync(seen)) {
      const { insync, minInSync } = seen;
      this.reply(client, { type: 'too-few-replicas', insync: insync.length, minInSync });
      return;
    }
    const timestampMs = Math.max(Math.floor(event.wallMs), this.lastTimestampMs());
    const view = this.viewOf(reads, timestampMs);
    const decided = event.command(view);
    if (view.missing || (request !== undefined && reads.appliedSeq !== this.appliedSeq)) {
      this.reply(client, { type: 'needRead' });
      return;
    }
    if (decided.type === 'answer')
      this.hold(client, { type: 'answer', result: decided.result }, view.dependsOn);
    else this.sequence(client, request, decided, timestampMs);
  }

  /** A request that was seen before is not done again. @returns whether that is the case. */
  private answerRepeated(client: Client, request: Request, reads: Reads): boolean {
    const pending = this.pendingWrites.request(request.id);
    const known = pending ?? reads.finished;
    if (known === undefined) return false;
    if (!sameChain(known.fingerprint, request.fingerprint)) {
      this.reply(client, { type: 'request-id-reused' });
    } else if (pending !== undefined && pending.seq > this.committed) {
      this.pendingWrites.wait(pending.seq, { client, repeated: true });
    } else {
      this.hold(client, { type: 'ok', seq: known.seq, result: known.result, repeated: true }, known.seq);
    }
    return true;
  }

  private mayAdmit(): boolean {
    if (this.handover !== undefined || this.leaving) return false;
    if (this.log.last - this.committed >= WINDOW_ENTRIES_MAX || this.windowBytes >= WINDOW_BYTES_MAX)
      return false;
    if (this.held.length >= HELD_ANSWERS_MAX) return false;
    // Hope: a version that has just begun is about to be installed everywhere.
    return (
      (this.sane && this.mayServe(this.nowMs)) ||
      this.nowMs < Math.max(this.tenureSinceMs, this.waitUntilMs) + this.timing.leaseMs
    );
  }

  private lastTimestampMs(): number {
    return this.log.at(this.log.last)?.timestampMs ?? this.queuedState.lastTimestampMs;
  }

  private counts(): Counts {
    return this.log.at(this.log.last)?.counts ?? this.queuedState.counts;
  }

  private viewOf(reads: Reads, clockMs: number): WriteView & { missing: boolean; dependsOn: Seq } {
    const { pendingWrites, appliedSeq } = this;
    return {
      seq: this.log.last + 1,
      clockMs,
      counts: this.counts(),
      missing: false,
      dependsOn: pendingWrites.preparedClear,
      get(key: Uint8Array): StoredRecord | undefined {
        const name = keyName(key);
        const pending = pendingWrites.newest(name);
        let record: StoredRecord | null | undefined;
        if (pending !== undefined) {
          record = pending.record;
          if (pending.seq > this.dependsOn) this.dependsOn = pending.seq;
        } else {
          record = reads.appliedSeq === appliedSeq ? reads.records.get(name) : undefined;
          if (record === undefined) this.missing = true;
        }
        if (record === null || record === undefined) return undefined;
        return record.version <= pendingWrites.preparedClear ? undefined : record;
      },
    };
  }

  private sequence(
    client: Client,
    request: Request | undefined,
    decided: Extract<Decided, { type: 'write' }>,
    timestampMs: number,
  ): void {
    const { ops, counts, result } = decided;
    const isSound = ops.length <= ENTRY_OPS_MAX && result.length <= RESULT_BYTES_MAX && ops.every(isSoundOp);
    invariant(isSound, 'the edge keeps a write within its bounds', {
      ops: ops.length,
      result: result.length,
    });
    const entry = makeEntry({
      ver: { gen: (this.seen as Configuration).gen, epoch: (this.seen as Configuration).epoch },
      seq: this.log.last + 1,
      timestampMs,
      previous: this.log.lastChain,
      counts,
      request,
      result,
      ops,
    });
    this.log.append(entry);
    this.windowBytes += entry.bytes.length;
    this.pendingWrites.prepare(entry);
    this.pendingWrites.wait(entry.seq, { client, repeated: false });
  }

  /** Hands what was sequenced since the last time to the disk, as one piece. */
  private flush(): void {
    const from = this.flushedTo;
    const { last } = this.log;
    if (from === last) return;
    const entries = this.entriesFrom(from + 1, last);
    this.flushedTo = last;
    if (this.isCheap(from)) {
      this.flushDirectly(entries);
      return;
    }
    this.persist({ writes: [{ type: 'append', entries }], urgent: true, appended: last });
  }

  /** A sole primary that nobody listens to needs no log: its data is the log. */
  private isCheap(from: Seq): boolean {
    return (
      !this.installed.shared &&
      this.seen?.insync.length === 1 &&
      this.queuedState.applied === from &&
      this.sane &&
      this.mayServe(this.nowMs)
    );
  }

  private flushDirectly(entries: readonly Entry[]): void {
    const writes: DurableWrite[] = [];
    const before = this.queuedState;
    const after = appliedAfter(before, entries);
    const ver = entries.at(-1)?.ver ?? before.baseVer;
    const state = { ...after, base: after.applied, baseVer: ver };
    if (before.base < before.applied)
      writes.push({ type: 'trim', after: before.base, through: before.applied, state: before });
    writes.push({ type: 'apply', entries, state });
    this.queuedState = state;
    this.persist({ writes, urgent: true, appended: state.applied, applied: state.applied });
  }

  /** The largest entry that every required member has durably. */
  protected commitPoint(): Seq {
    let seq = this.durable;
    for (const member of this.requiredMembers()) {
      const peer = this.peers.get(member.worker);
      const counts = peer?.installed === true && peer.member !== undefined && sameMember(peer.member, member);
      seq = Math.min(seq, counts ? peer.acked : 0);
    }
    return seq;
  }

  private tryCommit(): void {
    if (this.role !== 'primary' || !this.mayCommit()) return;
    const seq = this.commitPoint();
    if (seq > this.committed) this.commitThrough(seq);
    if (this.held.length > 0) this.answerHeld();
    if (this.handover !== undefined) this.considerHandover();
  }

  protected mayCommit(): boolean {
    return this.sane && this.mayServe(this.nowMs);
  }

  private commitThrough(through: Seq): void {
    const { seen } = this;
    invariant(through <= this.log.last, 'only what is in the log is committed', this.facts());
    const isEnough = seen !== null && hasEnoughInSync(seen);
    const entries = this.entriesFrom(this.committed + 1, through);
    this.committed = through;
    for (const entry of entries) {
      this.windowBytes -= entry.bytes.length;
      this.noteClear(entry);
      if (entry.seq > this.appliedSeq) this.pendingWrites.commit(entry);
      for (const { client, repeated } of this.pendingWrites.takeWaiters(entry.seq)) {
        this.reply(
          client,
          isEnough
            ? { type: 'ok', seq: entry.seq, result: entry.result, repeated }
            : { type: 'unknown', reason: 'under-replicated' },
        );
      }
    }
    this.enqueueApply();
  }

  private noteClear(entry: Entry): void {
    for (const op of entry.ops)
      if (op.type === 'clear' && op.through > this.committedClear) this.committedClear = op.through;
  }

  /** Committed entries go into the data, some time. */
  private enqueueApply(): void {
    const from = this.queuedState.applied;
    // What the flush has not enqueued yet cannot be applied before it.
    const through = Math.min(this.committed, this.flushedTo);
    if (through <= from) return;
    const entries = this.entriesFrom(from + 1, through);
    this.queuedState = appliedAfter(this.queuedState, entries);
    this.persist({
      writes: [{ type: 'apply', entries, state: this.queuedState }],
      urgent: false,
      applied: through,
    });
  }

  protected isReconciled(): boolean {
    return this.committed >= this.reconcileTo;
  }

  /** An answer that rests on an entry is given when that entry is committed, through the same gate as a read. */
  private hold(client: Client, reply: Reply, until: Seq): void {
    if (until <= this.committed && this.isReconciled() && this.sane && this.mayServe(this.nowMs))
      this.reply(client, reply);
    else this.held.push({ client, reply, until, sinceMs: this.nowMs });
  }

  private answerHeld(): void {
    if (!this.isReconciled()) return;
    this.held = this.held.filter(({ client, reply, until }) => {
      if (until > this.committed) return true;
      this.reply(client, reply);
      return false;
    });
  }

  // -------------------------------------------------------------------------------------------------------- the disk

  private persist(what: {
    writes: readonly DurableWrite[];
    urgent: boolean;
    appended?: Seq;
    applied?: Seq;
    then?: () => void;
  }): void {
    const { writes, urgent, appended = -1, applied = -1, then } = what;
    this.queueNumber += 1;
    const number = this.queueNumber;
    const ver = this.installed.configuration === null ? null : verOf(this.installed.configuration);
    const urgentSinceMs = urgent ? this.nowMs : undefined;
    this.queue.push({ number, ver, appended, applied, urgentSinceMs, then });
    this.emit({ type: 'persist', number, ver, urgent, writes });
  }

  private onPersisted(number: number, ver: Ver | null): void {
    while (this.queue.length > 0) {
      const pending = this.queue[0] as Pending;
      if (pending.number > number) break;
      this.queue.shift();
      if (pending.number === number) {
        const isSame = pending.ver === null || ver === null ? pending.ver === ver : sameVer(pending.ver, ver);
        invariant(isSame, 'a completion names what it completes', { number, ver, expected: pending.ver });
      }
      if (pending.urgentSinceMs !== undefined && this.nowMs - pending.urgentSinceMs > this.timing.stallMs)
        this.noteStall();
      this.complete(pending);
    }
    if (this.role !== 'primary') this.acknowledge();
  }

  private complete(pending: Pending): void {
    const through = this.completedThrough(pending.appended);
    if (through > this.durable) this.durable = through;
    if (pending.applied > this.appliedSeq) this.completeApply(pending.applied);
    pending.then?.();
    invariant(this.durable <= this.log.last, 'durable <= last', this.facts());
  }

  /** `appended` was lowered when the log was cut: entries that are gone are never called durable. */
  protected completedThrough(appended: Seq): Seq {
    return appended;
  }

  private completeApply(through: Seq): void {
    for (let seq = this.appliedSeq + 1; seq <= through; seq += 1)
      this.pendingWrites.applied(this.entryAt(seq));
    this.appliedSeq = through;
    if (this.role === 'primary' && this.committed < through) {
      // The cheap path: here the data is the log, and the only disk that counts has it.
      invariant(
        this.seen?.insync.length === 1,
        'only a sole replica applies before it commits',
        this.facts(),
      );
      this.commitThrough(through);
    }
    if (this.committed < through) this.committed = through;
    invariant(this.appliedSeq <= this.durable, 'applied <= durable', this.facts());
    const { base } = this.queuedState;
    if (base > this.log.base && base <= this.appliedSeq) this.log.trim(base);
    if (this.log.memoryBytes > this.logMemoryBytes)
      this.log.evict(Math.min(this.log.memorySeqBeyond(this.logMemoryBytes), this.appliedSeq));
  }

  private entryAt(seq: Seq): Entry {
    const entry = this.log.at(seq);
    invariant(entry !== undefined, 'entries above the applied one are in memory', { seq, ...this.facts() });
    return entry;
  }

  private entriesFrom(from: Seq, through: Seq): Entry[] {
    const entries: Entry[] = [];
    for (let seq = from; seq <= through; seq += 1) entries.push(this.entryAt(seq));
    return entries;
  }

  /** Enqueues row 01. From here on this replica is what it says; others hear of it when it is durable. */
  private install(state: InstalledState, before: readonly DurableWrite[], then?: () => void): void {
    const old = this.installed.configuration;
    invariant(
      old === null || (state.configuration !== null && compareVer(state.configuration, old) >= 0),
      'the version of an installed configuration never falls',
      this.facts(),
    );
    this.installed = state;
    this.installedDurable = false;
    const { queueNumber } = this;
    this.persist({
      writes: [...before, { type: 'installed', state }],
      urgent: true,
      // Written behind the log, so it covers all of it.
      appended: this.flushedTo,
      then: () => {
        if (this.installed !== state) return;
        invariant(this.queueNumber > queueNumber, 'a row is durable after it was enqueued');
        this.installedDurable = true;
        then?.();
        this.contactPeers();
      },
    });
  }

  /** Keeps the log within its budget, for those who catch up. */
  private trimLog(): void {
    const { log, timing, nowMs } = this;
    let through = log.seqBeyond(this.logBytes);
    const newest = this.ageMarks.at(-1);
    if (newest === undefined || nowMs - newest.atMs >= timing.logMaxAgeMs / 8)
      this.ageMarks.push({ seq: log.last, atMs: nowMs });
    while (this.ageMarks.length > 0 && nowMs - (this.ageMarks[0]?.atMs ?? nowMs) > timing.logMaxAgeMs) {
      through = Math.max(through, this.ageMarks.shift()?.seq ?? 0);
    }
    const crowded = log.segments.length > SEGMENTS_MAX / 2;
    if (crowded) through = Math.max(through, (log.segments[log.segments.length >> 1]?.firstSeq ?? 1) - 1);
    through = Math.min(through, this.appliedSeq);
    for (const { installed, acked, snapshot } of this.peers.values()) {
      if (snapshot !== undefined) through = Math.min(through, snapshot.state?.applied ?? log.base);
      // One who is catching up gets twice the budget before it must start over with a snapshot.
      else if (installed && log.bytes < 2 * this.logBytes && !crowded) through = Math.min(through, acked);
    }
    if (through <= log.base || through <= this.queuedState.base) return;
    const baseVer = log.verAt(through);
    invariant(baseVer !== undefined, 'the version of an entry in the log is known', { through });
    const after = this.queuedState.base;
    this.queuedState = { ...this.queuedState, base: through, baseVer };
    log.trim(through);
    this.persist({ writes: [{ type: 'trim', after, through, state: this.queuedState }], urgent: false });
  }

  // ------------------------------------------------------------------------------------------------------- secondaries

  private onInstall(from: Member, message: Extract<Message, { type: 'install' }>): void {
    const { configuration, log, leaseMs } = message;
    if (this.seen !== null && compareVer(configuration, this.seen) < 0) {
      this.send(from.worker, { type: 'configuration', configuration: this.seen });
      return;
    }
    if (!sameMember(configuration.primary, from)) return;
    this.onConfiguration(configuration);
    const { seen } = this;
    if (seen === null || !sameVer(seen, configuration) || this.isSelf(seen.primary)) return;
    if (!promiseOutlastsLease(this.timing, leaseMs)) {
      this.emit({ type: 'mismatch', worker: from.worker, leaseMs });
      return;
    }
    if (this.isInstalled(configuration)) {
      this.promise();
      this.primaryHeardMs = this.nowMs;
      if (this.installedDurable && this.installed.state === 'ok')
        this.sendInstalled(from.worker, message, this.durable);
      // Who says INSTALL has no session with us any more, however far the last one came.
      else if (this.installedDurable) this.sendInstalled(from.worker, message, null);
      return;
    }
    const match = this.installed.state === 'loading' ? undefined : this.matchWith(log);
    if (match === undefined || match < this.queuedState.applied || match < this.log.base) {
      invariant(
        !hasMember(configuration.insync, this.self) || this.log.last === 0,
        'a member of the in-sync set holds a log that agrees with its primary',
        { match, ...this.facts() },
      );
      this.sendInstalled(from.worker, message, null);
      return;
    }
    this.joinVersion(configuration, match, () => {
      if (this.isInstalled(configuration)) this.sendInstalled(from.worker, message, match);
    });
    this.promise();
    this.primaryHeardMs = this.nowMs;
    this.learnCommitted(Math.min(message.committed, match));
  }

  protected matchWith(log: Extract<Message, { type: 'install' }>['log']): Seq | undefined {
    return matchPoint(this.log.shape(), log);
  }

  /** Cuts the log to where it agrees with the primary's, and takes part in its version. */
  private joinVersion(configuration: Configuration, match: Seq, then: () => void): void {
    invariant(match >= this.queuedState.applied, 'the log is never cut below what is applied', {
      match,
      ...this.facts(),
    });
    const before: DurableWrite[] = [];
    const { last } = this.log;
    if (last > match) {
      before.push({ type: 'truncate', after: match, through: last });
      this.cutLog(match);
    }
    // What was acknowledged so far was told to another primary.
    this.ackedThrough = -1;
    this.install(
      { ...this.installed, configuration, tenure: false, waited: false, shared: true },
      before,
      then,
    );
  }

  private cutLog(match: Seq): void {
    this.log.truncate(match);
    this.flushedTo = match;
    this.durable = Math.min(this.durable, match);
    this.committed = Math.min(this.committed, match);
    this.forgetAppended(match);
  }

  /** Batches in flight that hold entries above the cut shall not call anything durable that comes in their place. */
  protected forgetAppended(match: Seq): void {
    for (const pending of this.queue) if (pending.appended > match) pending.appended = match;
  }

  private sendInstalled(
    to: WorkerIndex,
    question: Extract<Message, { type: 'install' }>,
    match: Seq | null,
  ): void {
    this.send(to, {
      type: 'installed',
      ver: verOf(question.configuration),
      match,
      snapshotId: this.installed.snapshotId,
      sentAtMs: question.sentAtMs,
      boot: question.boot,
    });
  }

  /** Takes part in exactly this version, having heard of no newer one. */
  protected isInstalled(ver: Ver): boolean {
    const { configuration, tenure } = this.installed;
    return (
      configuration !== null &&
      !tenure &&
      sameVer(configuration, ver) &&
      this.seen !== null &&
      sameVer(this.seen, ver)
    );
  }

  protected promise(): void {
    this.promiseUntilMs = Math.max(this.promiseUntilMs, this.nowMs + this.timing.graceMs);
  }

  protected isFenced(ver: Ver): boolean {
    return this.seen !== null && compareVer(ver, this.seen) < 0;
  }

  private onPrepare(from: Member, message: Extract<Message, { type: 'prepare' }>): void {
    const { ver, entries } = message;
    if (this.isFenced(ver)) {
      this.send(from.worker, { type: 'configuration', configuration: this.seen as Configuration });
      return;
    }
    if (!this.mayAppend(ver)) {
      if (this.role !== 'primary' && this.installed.state === 'ok')
        this.send(from.worker, { type: 'uninstalled', ver });
      return;
    }
    this.primaryHeardMs = this.nowMs;
    // The same version has the same entry at the same place: what is here already need not be compared.
    const fresh = entries.filter(({ seq }) => seq > this.log.last);
    const first = fresh[0];
    if (first !== undefined && first.seq !== this.log.last + 1) {
      this.send(from.worker, { type: 'missing', ver, last: this.log.last });
      return;
    }
    if (fresh.length > 0) {
      for (const entry of fresh) this.log.append(entry);
      this.flushedTo = this.log.last;
      this.persist({ writes: [{ type: 'append', entries: fresh }], urgent: true, appended: this.log.last });
    } else if (entries.length > 0 && this.installedDurable) {
      // Its acknowledgement may have been lost.
      this.send(from.worker, { type: 'prepared', ver, durable: this.durable });
    }
    this.learnCommitted(Math.min(message.committed, this.log.last));
  }

  protected mayAppend(ver: Ver): boolean {
    return this.isInstalled(ver) && this.installed.state === 'ok';
  }

  private ackedThrough: Seq = 0;

  /** Tells the primary what became durable, in the version of which that is known to be a prefix of its log. */
  private acknowledge(): void {
    const { configuration } = this.installed;
    if (configuration === null || !this.installedDurable || !this.mayAppend(configuration)) return;
    if (this.durable === this.ackedThrough) return;
    this.ackedThrough = this.durable;
    this.send(configuration.primary.worker, {
      type: 'prepared',
      ver: verOf(configuration),
      durable: this.durable,
    });
  }

  private learnCommitted(seq: Seq): void {
    if (seq <= this.committed) return;
    const from = this.committed;
    this.committed = seq;
    for (let at = from + 1; at <= seq; at += 1) {
      const entry = this.log.at(at);
      if (entry !== undefined) this.noteClear(entry);
    }
    this.enqueueApply();
  }

  private onBeacon(from: Pick<Member, 'worker' | 'store'>, leaseMs: number, item: BeaconItem): void {
    const { ver, committed, chain } = item;
    const accepted = this.acceptsBeacon(from, leaseMs, ver);
    if (accepted) {
      this.promise();
      this.primaryHeardMs = this.nowMs;
      if (committed <= this.log.last) {
        const ours = this.log.chainAt(committed);
        if (ours !== undefined && !sameChain(ours, chain)) {
          this.fail(`its log differs from its primary's at ${committed}`);
          return;
        }
      }
      this.learnCommitted(Math.min(committed, this.log.last));
    } else if (this.seen === null || compareVer(ver, this.seen) > 0 || this.awaitsInstall(ver)) {
      this.send(from.worker, { type: 'uninstalled', ver });
    }
    const newer = this.seen !== null && compareVer(this.seen, ver) > 0 ? this.seen : undefined;
    this.emit({ type: 'beaconAnswer', accepted, newer });
  }

  private awaitsInstall(ver: Ver): boolean {
    return this.role !== 'primary' && this.seen !== null && sameVer(this.seen, ver) && !this.isInstalled(ver);
  }

  private acceptsBeacon(from: Pick<Member, 'worker' | 'store'>, leaseMs: number, ver: Ver): boolean {
    if (!this.mayAppend(ver) || !this.installedDurable || !this.sane) return false;
    const primary = this.installed.configuration?.primary;
    if (primary?.worker !== from.worker || primary.store !== from.store) return false;
    if (!promiseOutlastsLease(this.timing, leaseMs)) {
      this.emit({ type: 'mismatch', worker: from.worker, leaseMs });
      return false;
    }
    return !this.refusesBeacons();
  }

  /**
   * One who asked to take over refuses its old primary for a moment, which makes the failover quicker. For a moment
   * only, and only while the master answers: otherwise it would stop a healthy primary for good.
   */
  protected refusesBeacons(): boolean {
    return this.masterReachable && this.nowMs < this.refuseBeaconsUntilMs;
  }

  protected get hasProposedItself(): boolean {
    return this.proposals.has('promote');
  }

  private askToLeave(): void {
    const { seen } = this;
    if (this.role !== 'follower' || seen === null) return;
    this.send(seen.primary.worker, { type: 'leave', ver: verOf(seen) });
  }

  // ----------------------------------------------------------------------------------------- the primary and its peers

  /** The peer that a message in our version comes from, if its acknowledgements count. */
  private peerOf(from: Member, ver: Ver): Peer | undefined {
    const leads = this.role === 'primary' || this.role === 'stopping';
    if (!leads || this.seen === null || !sameVer(this.seen, ver)) return undefined;
    const peer = this.peers.get(from.worker);
    if (peer === undefined || !this.isPeer(peer, from)) return undefined;
    peer.refused = false;
    return peer;
  }

  /** Acknowledgements count for the disk and the incarnation that they come from. */
  protected isPeer(peer: Peer, from: Member): boolean {
    return peer.member !== undefined && sameMember(peer.member, from);
  }

  private onInstalled(from: Member, message: Extract<Message, { type: 'installed' }>): void {
    const { seen } = this;
    if (this.role !== 'primary' || seen === null || !sameVer(seen, message.ver) || message.boot !== this.boot)
      return;
    let peer = this.peers.get(from.worker);
    if (peer === undefined) return;
    if (peer.member === undefined || !sameMember(peer.member, from)) {
      // Another disk or another incarnation. While the old one is required, the new one counts for nothing.
      if (!this.mayReplace(from)) return;
      this.closeSnapshot(peer);
      peer = newPeer(from.worker, from, this.nowMs);
      this.peers.set(from.worker, peer);
    }
    peer.refused = false;
    peer.lastHeardMs = this.nowMs;
    // One that fell so far behind that its place was trimmed starts over, too.
    if (message.match === null || message.match < this.log.base) {
      this.considerSnapshot(peer, message.snapshotId);
      return;
    }
    invariant(message.match <= this.log.last, 'logs agree within both', {
      match: message.match,
      ...this.facts(),
    });
    if (!peer.installed) {
      peer.installed = true;
      peer.acked = message.match;
      peer.sentTo = message.match;
    } else {
      peer.acked = Math.max(peer.acked, message.match);
    }
    this.grantLease(peer, message.sentAtMs);
  }

  protected mayReplace(from: Member): boolean {
    return memberOf(this.requiredMembers(), from.worker) === undefined;
  }

  private grantLease(peer: Peer, sentAtMs: number): void {
    const until = this.leaseFrom(sentAtMs);
    if (until > peer.leaseUntilMs) peer.leaseUntilMs = until;
  }

  /** Counted from sending: the promise that it rests on began later, when the beacon arrived. */
  protected leaseFrom(sentAtMs: number): number {
    invariant(sentAtMs <= this.nowMs, 'an answer comes after its question', { sentAtMs, nowMs: this.nowMs });
    return sentAtMs + this.timing.leaseMs;
  }

  private onBeaconAccepted(event: Extract<ReplicaEvent, { type: 'beaconAccepted' }>): void {
    if (event.boot !== this.boot || this.role !== 'primary') return;
    const peer = this.peerOf(event.from, event.ver);
    if (peer?.installed !== true) return;
    peer.lastHeardMs = this.nowMs;
    this.grantLease(peer, event.sentAtMs);
  }

  private onPrepared(from: Member, { ver, durable }: Extract<Message, { type: 'prepared' }>): void {
    const peer = this.peerOf(from, ver);
    if (peer?.installed !== true) return;
    invariant(durable <= this.log.last, 'nobody has more of our log than we do', {
      durable,
      ...this.facts(),
    });
    if (durable <= peer.acked) return;
    peer.acked = durable;
    if (peer.sentTo < durable) peer.sentTo = durable;
    peer.waitingSinceMs = peer.acked < peer.sentTo ? this.nowMs : undefined;
  }

  private onMissing(from: Member, { ver, last }: Extract<Message, { type: 'missing' }>): void {
    const peer = this.peerOf(from, ver);
    if (peer?.installed !== true || last >= peer.sentTo || last < peer.acked) return;
    // Every message behind the gap reports it: one repetition per gap and round trip is enough.
    if (peer.rewound.to === last && this.nowMs - peer.rewound.atMs < this.timing.beaconMs / 2) return;
    peer.rewound = { to: last, atMs: this.nowMs };
    peer.sentTo = last;
  }

  private onUninstalled(from: Member, ver: Ver): void {
    if (this.role !== 'primary' || this.seen === null || !sameVer(this.seen, ver) || !this.installedDurable)
      return;
    const peer = this.peers.get(from.worker);
    if (peer === undefined || peer.snapshot !== undefined) return;
    const isOther = peer.member !== undefined && !sameMember(peer.member, from);
    if (isOther && !this.mayReplace(from)) return;
    if (peer.installed && !isOther) return;
    if (isOther) this.peers.set(from.worker, newPeer(from.worker, undefined, this.nowMs));
    // At once, but not for every message of a stream that it cannot take.
    if (this.nowMs - peer.installSentMs >= this.timing.beaconMs / 4) this.contact(from.worker);
  }

  private contact(worker: WorkerIndex): void {
    const peer = this.peers.get(worker);
    if (peer === undefined || !this.installed.shared) return;
    this.sendInstall(peer);
  }

  /** Sends what a peer lacks, as much as may be on its way. */
  private pump(peer: Peer): void {
    if (!peer.installed || !this.installedDurable || this.seen === null) return;
    while (peer.sentTo < this.log.last && peer.sentTo - peer.acked < STREAM_ENTRIES_MAX) {
      const entries = this.nextEntries(peer.sentTo + 1);
      if (entries.length === 0) {
        this.readForPeer(peer);
        return;
      }
      peer.waitingSinceMs ??= this.nowMs;
      peer.sentTo += entries.length;
      this.send(peer.worker, { type: 'prepare', ver: verOf(this.seen), committed: this.committed, entries });
    }
  }

  private nextEntries(from: Seq): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let seq = from; seq <= this.flushedTo && entries.length < PREPARE_ENTRIES_MAX; seq += 1) {
      const entry = this.log.at(seq);
      if (entry === undefined || (bytes > 0 && bytes + entry.bytes.length > PREPARE_BYTES_MAX)) break;
      entries.push(entry);
      bytes += entry.bytes.length;
    }
    return entries;
  }

  private readForPeer(peer: Peer): void {
    if (peer.reading || peer.sentTo >= this.flushedTo) return;
    if (peer.sentTo < this.log.base) {
      // The log was trimmed under it: it must be asked again, and will need a snapshot.
      peer.installed = false;
      return;
    }
    peer.reading = true;
    const through = Math.min(this.log.last, peer.sentTo + PREPARE_ENTRIES_MAX);
    this.emit({ type: 'readLog', worker: peer.worker, from: peer.sentTo + 1, through });
  }

  private onLogRead(worker: WorkerIndex, entries: readonly Entry[]): void {
    const peer = this.peers.get(worker);
    if (peer?.reading !== true || this.seen === null) return;
    peer.reading = false;
    const first = entries[0];
    if (this.role !== 'primary' || !peer.installed || first?.seq !== peer.sentTo + 1) return;
    for (const { seq, ver } of entries) {
      const known = this.log.verAt(seq);
      const isSame = known !== undefined && known.gen === ver.gen && known.epoch === ver.epoch;
      // Read before the log was cut or trimmed: what is there now is asked for again.
      if (!isSame) return;
    }
    peer.sentTo += entries.length;
    peer.waitingSinceMs ??= this.nowMs;
    this.send(worker, { type: 'prepare', ver: verOf(this.seen), committed: this.committed, entries });
  }

  private onLeave(from: Member, ver: Ver): void {
    const peer = this.peerOf(from, ver);
    if (peer === undefined) return;
    peer.leaving = true;
    this.considerLeaving();
  }

  // ------------------------------------------------------------------------------------------------------------- time

  private onTick(wallMs: number, masterReachable: boolean): void {
    const { nowMs, timing } = this;
    invariant(Number.isFinite(wallMs), 'the wall clock shows a time', { wallMs });
    this.masterReachable = masterReachable;
    if (!masterReachable) this.refuseBeaconsUntilMs = 0;
    if (nowMs - this.lastTickMs > timing.stallMs) this.noteStall();
    this.lastTickMs = nowMs;
    if (this.role === 'primary') this.tickPrimary();
    else if (this.role === 'follower') this.tickFollower();
    else if (this.role === 'none') this.tickRestarted();
    this.retryProposals();
    this.trimLog();
  }

  /** Own slowness must not be taken for that of others: beacons may lie unread in our own sockets. */
  protected noteStall(): void {
    this.notBeforeMs = this.nowMs + this.timing.beaconMs;
    this.judgeAfterMs = this.nowMs + 2 * this.timing.beaconMs;
    for (const peer of this.peers.values()) {
      peer.suspectTicks = 0;
      if (peer.waitingSinceMs !== undefined) peer.waitingSinceMs = this.nowMs;
    }
  }

  /** The clocks of this machine disagree: what rests on them is given back, and what was promised is promised anew. */
  private onClockJump(): void {
    for (const peer of this.peers.values()) peer.leaseUntilMs = 0;
    this.promise();
  }

  private tickFollower(): void {
    const { seen, timing } = this;
    if (this.leaving) this.askToLeave();
    if (seen === null || this.proposals.has('promote') || this.leaving) return;
    const rank = secondaries(seen).findIndex((member) => this.isSelf(member));
    invariant(rank >= 0, 'a follower is in sync', this.facts());
    const dueMs = Math.max(this.promiseUntilMs + rank * timing.staggerMs, this.notBeforeMs);
    if (this.nowMs < dueMs || this.installed.state !== 'ok') return;
    this.refuseBeaconsUntilMs = this.nowMs + 2 * timing.beaconMs;
    this.propose('promote', promotionOf(seen, this.self));
  }

  /** A primary of before the restart. */
  private tickRestarted(): void {
    const { seen, installed } = this;
    if (seen === null || !this.isSelf(seen.primary) || installed.configuration === null) return;
    if (installed.tenure && sameVer(installed.configuration, seen)) this.proposeRestart();
  }

  private proposeRestart(): void {
    const { seen } = this;
    if (seen === null || this.proposals.has('restart')) return;
    this.propose('restart', { primary: seen.primary, insync: seen.insync });
  }

  private tickPrimary(): void {
    this.giveUpWaiting();
    if (!this.installedDurable) return;
    this.noteWaited();
    this.contactPeers();
    for (const peer of this.peers.values()) {
      this.resend(peer);
      this.tickSnapshot(peer);
    }
    this.considerRemovals();
    this.considerAdmissions();
    this.considerLeaving();
    this.considerHandover();
    this.expireConfirmations();
  }

  /** Clients of an answer that does not come are told to try again. */
  private giveUpWaiting(): void {
    const oldestMs = this.nowMs - this.timing.leaseMs;
    if (this.held.length === 0 || (this.held[0]?.sinceMs ?? 0) > oldestMs) return;
    this.held = this.held.filter(({ client, reply, sinceMs }) => {
      if (sinceMs > oldestMs) return true;
      this.reply(
        client,
        reply.type === 'ok' ? { type: 'unknown', reason: 'deposed' } : { type: 'retry-later' },
      );
      return false;
    });
  }

  /** Once the wait is over, a quick restart need not wait again. */
  private noteWaited(): void {
    if (this.installed.waited || this.nowMs < this.waitUntilMs) return;
    const state = { ...this.installed, waited: true };
    this.installed = state;
    this.persist({ writes: [{ type: 'installed', state }], urgent: false });
  }

  private resend(peer: Peer): void {
    if (!peer.installed || peer.waitingSinceMs === undefined) return;
    if (peer.acked >= peer.sentTo) peer.waitingSinceMs = undefined;
    else if (
      this.nowMs - peer.waitingSinceMs >= 2 * this.timing.beaconMs &&
      this.nowMs - peer.rewound.atMs >= 2 * this.timing.beaconMs
    ) {
      peer.rewound = { to: peer.acked, atMs: this.nowMs };
      peer.sentTo = peer.acked;
    }
  }

  private considerRemovals(): void {
    const { seen } = this;
    if (seen === null || this.nowMs < this.judgeAfterMs) return;
    const suspects: Peer[] = [];
    for (const { worker } of secondaries(seen)) {
      const peer = this.peers.get(worker);
      if (peer === undefined) continue;
      peer.suspectTicks = this.isSuspect(peer) ? peer.suspectTicks + 1 : 0;
      if (peer.suspectTicks > 0) suspects.push(peer);
    }
    if (suspects.length === 0 || this.proposals.has('remove')) return;
    const remaining = seen.insync.length - suspects.length;
    // Going below the minimum stops writes: not on the evidence of one moment.
    const evidence = remaining < seen.minInSync ? 2 : 1;
    const leaving = suspects.filter(({ suspectTicks }) => suspectTicks >= evidence);
    if (leaving.length === 0) return;
    const members = seen.insync.filter(({ worker }) => leaving.some((peer) => peer.worker === worker));
    this.propose('remove', removalOf(seen, members));
  }

  private isSuspect(peer: Peer): boolean {
    const { nowMs, timing } = this;
    const silentMs = nowMs - peer.lastHeardMs;
    if (silentMs >= timing.leaseMs) return true;
    if (peer.refused && silentMs >= 2 * timing.beaconMs) return true;
    return peer.waitingSinceMs !== undefined && nowMs - peer.waitingSinceMs >= timing.prepareTimeoutMs;
  }

  private considerAdmissions(): void {
    const { seen, target } = this;
    if (seen === null || target === undefined || !this.mayAdmitMembers()) return;
    if (this.proposals.size > 0 || this.handover !== undefined || this.pendingAdd.length > 0) return;
    const joining: Member[] = [];
    for (const worker of target.replicas) {
      const peer = this.peers.get(worker);
      if (peer?.installed !== true || peer.member === undefined || peer.refused) continue;
      if (memberOf(seen.insync, worker) !== undefined) continue;
      const isCurrent =
        peer.acked >= this.admissionPoint() && this.log.last - peer.acked < this.timing.joinLagEntries;
      if (isCurrent && this.nowMs < peer.leaseUntilMs) joining.push(peer.member);
    }
    if (joining.length === 0) return;
    // In this order: from now on they count, and only then may the master hear of it (D3).
    this.pendingAdd = this.countedFromNow(joining);
    this.propose('add', admissionOf(seen, joining));
  }

  protected countedFromNow(joining: Member[]): Member[] {
    return joining;
  }

  /** D4: not while the own promise to an earlier primary is running. */
  protected mayAdmitMembers(): boolean {
    return this.sane && this.nowMs >= this.waitUntilMs && this.mayServe(this.nowMs);
  }

  protected admissionPoint(): Seq {
    return Math.max(this.committed, this.reconcileTo);
  }

  /** Those who asked to leave, and those who are not wanted any more. */
  private considerLeaving(): void {
    const { seen, target } = this;
    if (seen === null || this.role !== 'primary' || this.proposals.size > 0 || !this.installedDurable) return;
    const isComplete =
      target?.replicas.every((worker) => memberOf(seen.insync, worker) !== undefined) ?? false;
    const leaving = secondaries(seen).filter(({ worker }) => {
      const isSurplus = isComplete && target?.replicas.includes(worker) === false;
      return isSurplus || this.peers.get(worker)?.leaving === true;
    });
    if (leaving.length === 0 || seen.insync.length - leaving.length < seen.minInSync) return;
    this.propose('leave', removalOf(seen, leaving));
  }

  private considerHandover(): void {
    const { seen, timing } = this;
    if (this.role !== 'primary' || seen === null || !this.installedDurable) return;
    if (this.handover === undefined) {
      const to = this.handoverTo(seen);
      // A primary that stops and finds no master to tell would stop for nothing.
      if (to === undefined || !this.masterReachable || this.proposals.size > 0) return;
      if (this.handoverRequest === undefined && this.nowMs < this.nextHandoverMs) return;
      if (!this.mayStartHandover()) return;
      this.handover = { to, sinceMs: this.nowMs };
    }
    const { to, sinceMs } = this.handover;
    if (this.nowMs - sinceMs >= timing.handoverDrainMs) {
      this.handover = undefined;
      if (!this.leaving) this.handoverRequest = undefined;
      this.nextHandoverMs = this.nowMs + 10 * timing.handoverDrainMs;
      return;
    }
    if (this.committed < this.log.last || this.held.length > 0 || !this.mayStartHandover()) return;
    this.handoverRequest = undefined;
    this.handover = undefined;
    this.stopServing();
    this.failConfirmations();
    this.propose('handover', handoverOf(seen, to));
  }

  /** No read and no commit from here on, whatever becomes of the proposal. */
  protected stopServing(): void {
    this.setRole('stopping');
  }

  /** Only one who may serve has a right to pass on. */
  protected mayStartHandover(): boolean {
    return this.sane && this.mayServe(this.nowMs) && this.isReconciled();
  }

  private handoverTo(seen: Configuration): Member | undefined {
    const { handoverRequest, target } = this;
    const candidates = secondaries(seen).filter((member) => {
      const peer = this.peers.get(member.worker);
      return peer?.installed === true && !peer.leaving && this.holdsLease(peer, member, this.nowMs);
    });
    if (handoverRequest !== undefined) {
      const { to } = handoverRequest;
      return candidates.find(({ worker }) => to === undefined || worker === to);
    }
    if (target === undefined || target.preferredPrimary === this.self.worker) return undefined;
    return memberOf(candidates, target.preferredPrimary);
  }

  // -------------------------------------------------------------------------------------------------------- proposals

  private propose(kind: ReplicaProposal['kind'], next: Roles): void {
    const { seen } = this;
    invariant(seen !== null, 'a proposal builds on a configuration', { kind });
    this.proposalNumber += 1;
    const proposal: ReplicaProposal = {
      partition: this.partition,
      kind,
      expect: verOf(seen),
      next,
      proposalId: proposalId(`${this.self.incarnation}-${this.boot}-${this.proposalNumber}`),
      by: this.self,
    };
    this.proposals.set(kind, { proposal, sentMs: this.nowMs, refused: false });
    this.emit({ type: 'propose', proposal });
  }

  /**
   * A proposal without an answer stays open until a newer version is seen, and is sent again as it is. It cannot be
   * taken back: a copy in flight may still be accepted.
   */
  private retryProposals(): void {
    for (const open of this.proposals.values()) {
      const intervalMs = open.refused ? 4 * this.timing.beaconMs : this.timing.beaconMs;
      if (this.nowMs - open.sentMs < intervalMs) continue;
      // A candidate that has heard its primary again holds nothing back by waiting.
      if (open.proposal.kind === 'promote' && this.nowMs < this.promiseUntilMs) continue;
      open.sentMs = this.nowMs;
      this.emit({ type: 'propose', proposal: open.proposal });
    }
  }

  private onProposalAnswer(id: string, decision: Decision): void {
    switch (decision.answer) {
      case 'accepted':
      case 'already-accepted':
        this.onConfiguration(decision.configuration);
        return;
      case 'conflict':
        if (decision.configuration !== undefined) this.onConfiguration(decision.configuration);
        return;
      case 'refused':
        this.onRefused(id);
        return;
      default:
        unreachable(decision);
    }
  }

  /** Refused today is not refused for ever: a late copy may meet other facts. A new epoch makes it impossible. */
  private onRefused(id: string): void {
    const open = [...this.proposals.values()].find(({ proposal }) => proposal.proposalId === id);
    if (open === undefined) return;
    open.refused = true;
    const leads = this.role === 'primary' || this.role === 'stopping';
    if (leads && open.proposal.kind !== 'restart') this.proposeRestart();
  }

  // --------------------------------------------------------------------------------------------------- confirmed reads

  private onConfirm(token: number): void {
    if (this.role !== 'primary' || !this.isReconciled() || this.confirmTokens.length >= CONFIRMATIONS_MAX) {
      this.emit({ type: 'confirmed', token, ok: false });
      return;
    }
    this.confirmTokens.push(token);
    if (this.confirmRounds.length === 0) this.startConfirmRound();
  }

  /** All that came while a round was under way share the next one. */
  private startConfirmRound(): void {
    const { seen } = this;
    if (this.confirmTokens.length === 0 || seen === null) return;
    const tokens = this.confirmTokens.splice(0);
    this.confirmRound += 1;
    const required = this.confirmers();
    const missing = new Set(required.map(({ worker }) => worker));
    const round = { round: this.confirmRound, tokens, missing, sentMs: this.nowMs };
    this.confirmRounds.push(round);
    for (const worker of missing)
      this.send(worker, { type: 'confirm', ver: verOf(seen), round: round.round });
    this.finishConfirmRounds();
  }

  protected confirmers(): Member[] {
    return this.requiredMembers();
  }

  private onConfirmRequest(from: Member, { ver, round }: Extract<Message, { type: 'confirm' }>): void {
    const ok = this.isInstalled(ver) && this.installedDurable;
    this.send(from.worker, { type: 'confirmed', ver, round, ok });
  }

  private onConfirmed(from: Member, { ver, round, ok }: Extract<Message, { type: 'confirmed' }>): void {
    if (this.role !== 'primary' || this.peerOf(from, ver) === undefined) return;
    const found = this.confirmRounds.find((candidate) => candidate.round === round);
    if (found === undefined) return;
    if (ok) found.missing.delete(from.worker);
    this.finishConfirmRounds();
  }

  private finishConfirmRounds(): void {
    this.confirmRounds = this.confirmRounds.filter(({ missing, tokens }) => {
      if (missing.size > 0) return true;
      for (const token of tokens) this.emit({ type: 'confirmed', token, ok: true });
      return false;
    });
    if (this.confirmRounds.length === 0) this.startConfirmRound();
  }

  private expireConfirmations(): void {
    const isLate = this.confirmRounds.some(({ sentMs }) => this.nowMs - sentMs >= this.timing.leaseMs);
    if (isLate) this.failConfirmations();
  }

  private failConfirmations(): void {
    const tokens = [...this.confirmRounds.flatMap((round) => round.tokens), ...this.confirmTokens];
    this.confirmRounds = [];
    this.confirmTokens = [];
    for (const token of tokens) this.emit({ type: 'confirmed', token, ok: false });
  }

  // --------------------------------------------------------------------------------------------------------- snapshots

  /** Erasing a replica is for one who counts for nothing. It is checked here at sending, and there at receiving. */
  protected mayErase(peer: Peer): boolean {
    return memberOf(this.requiredMembers(), peer.worker) === undefined;
  }

  private considerSnapshot(peer: Peer, snapshotId: number): void {
    if (peer.snapshot !== undefined || peer.installed || !this.mayErase(peer)) return;
    // Above all that the peer took part in, and never used twice: chunks of an earlier session may still be on their way.
    const id = Math.max(snapshotId, this.newestSnapshotId) + 1;
    this.newestSnapshotId = id;
    peer.snapshot = {
      id,
      state: undefined,
      chunks: new Map(),
      nextRead: 1,
      readsOut: 0,
      acked: -1,
      total: undefined,
      progressMs: this.nowMs,
    };
    this.emit({ type: 'snapshotOpen', snapshotId: id, to: peer.worker });
  }

  private sessionOf(snapshotId: number): { peer: Peer; session: SnapshotSession } | undefined {
    for (const peer of this.peers.values())
      if (peer.snapshot?.id === snapshotId) return { peer, session: peer.snapshot };
    return undefined;
  }

  private onSnapshotOpened(snapshotId: number, state: AppliedState): void {
    const found = this.sessionOf(snapshotId);
    if (found === undefined) return;
    found.session.state = state;
    this.sendSnapshotBegin(found.peer, found.session);
  }

  private sendSnapshotBegin(peer: Peer, session: SnapshotSession): void {
    const { seen } = this;
    if (seen === null || session.state === undefined || this.role !== 'primary' || !this.mayErase(peer))
      return;
    // The copy has no log: what it holds ends where it is applied.
    const baseVer = this.verOfSnapshot(session.state);
    const state = { ...session.state, base: session.state.applied, baseVer };
    this.send(peer.worker, { type: 'snapshotBegin', configuration: seen, snapshotId: session.id, state });
  }

  private verOfSnapshot(state: AppliedState): AppliedState['baseVer'] {
    const ver = this.log.verAt(state.applied);
    invariant(ver !== undefined, 'the log is not trimmed above a snapshot in use', {
      applied: state.applied,
    });
    return ver;
  }

  private onSnapshotRead(event: Extract<ReplicaEvent, { type: 'snapshotRead' }>): void {
    const found = this.sessionOf(event.snapshotId);
    if (found === undefined) return;
    const { peer, session } = found;
    session.readsOut -= 1;
    session.chunks.set(event.index, event.rows);
    if (event.done) session.total = event.index;
    this.sendChunk(peer, session, event.index);
    this.continueSnapshot(peer, session);
  }

  private sendChunk(peer: Peer, session: SnapshotSession, index: number): void {
    const rows = session.chunks.get(index);
    if (rows === undefined || this.seen === null) return;
    this.send(peer.worker, {
      type: 'snapshotChunk',
      ver: verOf(this.seen),
      snapshotId: session.id,
      index,
      rows,
    });
  }

  private continueSnapshot(peer: Peer, session: SnapshotSession): void {
    const { seen } = this;
    if (session.acked < 0 || seen === null) return;
    if (session.total !== undefined && session.acked >= session.total) {
      const chunks = session.total;
      this.send(peer.worker, { type: 'snapshotEnd', ver: verOf(seen), snapshotId: session.id, chunks });
      return;
    }
    // Chunks are read one after the other, because each read goes on from where the last one ended.
    if (session.readsOut > 0 || session.total !== undefined) return;
    if (session.nextRead - session.acked > SNAPSHOT_CHUNKS_IN_FLIGHT) return;
    session.readsOut += 1;
    this.emit({ type: 'snapshotRead', snapshotId: session.id, index: session.nextRead });
    session.nextRead += 1;
  }

  private onSnapshotAck(
    from: Member,
    { ver, snapshotId, index }: Extract<Message, { type: 'snapshotAck' }>,
  ): void {
    const peer = this.peerOf(from, ver);
    const session = peer?.snapshot;
    if (peer === undefined || session?.id !== snapshotId || index <= session.acked) return;
    peer.lastHeardMs = this.nowMs;
    session.progressMs = this.nowMs;
    session.acked = index;
    for (const at of session.chunks.keys()) if (at <= index) session.chunks.delete(at);
    if (session.total !== undefined && index > session.total) {
      this.closeSnapshot(peer);
      if (this.installed.shared && this.role === 'primary') this.sendInstall(peer);
      return;
    }
    this.continueSnapshot(peer, session);
  }

  private tickSnapshot(peer: Peer): void {
    const session = peer.snapshot;
    if (session === undefined) return;
    const idleMs = this.nowMs - session.progressMs;
    if (idleMs >= 2 * this.timing.prepareTimeoutMs) {
      this.closeSnapshot(peer);
      return;
    }
    if (idleMs < 2 * this.timing.beaconMs) return;
    if (session.acked < 0) this.sendSnapshotBegin(peer, session);
    else if (session.total !== undefined && session.acked >= session.total)
      this.continueSnapshot(peer, session);
    else for (const index of session.chunks.keys()) this.sendChunk(peer, session, index);
  }

  private onSnapshotFailed(snapshotId: number): void {
    const found = this.sessionOf(snapshotId);
    if (found !== undefined) this.closeSnapshot(found.peer);
  }

  private closeSnapshot(peer: Peer): void {
    if (peer.snapshot === undefined) return;
    this.emit({ type: 'snapshotClose', snapshotId: peer.snapshot.id });
    peer.snapshot = undefined;
  }

  private onSnapshotBegin(from: Member, message: Extract<Message, { type: 'snapshotBegin' }>): void {
    const { configuration, snapshotId, state } = message;
    if (!sameMember(configuration.primary, from)) return;
    this.onConfiguration(configuration);
    const { seen } = this;
    if (seen === null || !sameVer(seen, configuration) || this.isSelf(seen.primary)) return;
    const ver = verOf(configuration);
    if (snapshotId === this.installed.snapshotId && this.isInstalled(configuration)) {
      this.ackSnapshot(from.worker, ver);
      return;
    }
    if (snapshotId <= this.installed.snapshotId || !this.mayBeErased(configuration)) return;
    this.eraseForSnapshot(configuration, snapshotId, state, from.worker);
  }

  protected mayBeErased(configuration: Configuration): boolean {
    return !hasMember(configuration.insync, this.self);
  }

  private eraseForSnapshot(
    configuration: Configuration,
    snapshotId: number,
    state: AppliedState,
    to: WorkerIndex,
  ): void {
    this.forgetEverything();
    this.loading = { state, received: 0, durable: -1, early: new Map() };
    const { loading } = this;
    const installed: InstalledState = {
      ...this.installed,
      configuration,
      tenure: false,
      waited: false,
      shared: true,
      state: 'loading',
      snapshotId,
    };
    this.install(installed, []);
    // Behind row 01, so that a crash in the middle of erasing finds it marked.
    this.persist({
      writes: [{ type: 'erase' }],
      urgent: true,
      then: () => {
        if (this.loading !== loading) return;
        loading.durable = Math.max(loading.durable, 0);
        this.ackSnapshot(to, verOf(configuration));
      },
    });
  }

  private forgetEverything(): void {
    for (const pending of this.queue) {
      pending.appended = -1;
      pending.applied = -1;
    }
    this.log = new MemoryIndexedLog(APPLIED_NOTHING, []);
    this.queuedState = APPLIED_NOTHING;
    this.flushedTo = 0;
    this.durable = 0;
    this.committed = 0;
    this.appliedSeq = 0;
    this.ackedThrough = 0;
    this.committedClear = 0;
    this.ageMarks = [];
  }

  private ackSnapshot(to: WorkerIndex, ver: Ver): void {
    const { loading, installed } = this;
    const { snapshotId } = installed;
    if (loading === undefined) {
      // All of it is here; the primary counts its chunks itself.
      if (installed.state === 'ok' && this.installedDurable)
        this.send(to, { type: 'snapshotAck', ver, snapshotId, index: SNAPSHOT_COMPLETE });
      return;
    }
    if (loading.durable >= 0) this.send(to, { type: 'snapshotAck', ver, snapshotId, index: loading.durable });
  }

  private onSnapshotChunk(from: Member, message: Extract<Message, { type: 'snapshotChunk' }>): void {
    const { ver, snapshotId, index, rows } = message;
    if (!this.isInstalled(ver) || snapshotId !== this.installed.snapshotId) return;
    const { loading } = this;
    if (loading === undefined || index <= loading.received) {
      this.ackSnapshot(from.worker, ver);
      return;
    }
    if (index > loading.received + SNAPSHOT_CHUNKS_IN_FLIGHT) return;
    loading.early.set(index, rows);
    for (;;) {
      const next = loading.early.get(loading.received + 1);
      if (next === undefined) break;
      loading.early.delete(loading.received + 1);
      this.load(loading, next, from.worker, ver);
    }
  }

  private load(loading: Loading, rows: readonly SnapshotRow[], to: WorkerIndex, ver: Ver): void {
    loading.received += 1;
    const index = loading.received;
    this.persist({
      writes: [{ type: 'rows', rows }],
      urgent: true,
      then: () => {
        if (this.loading !== loading) return;
        loading.durable = index;
        this.ackSnapshot(to, ver);
      },
    });
  }

  private onSnapshotEnd(from: Member, message: Extract<Message, { type: 'snapshotEnd' }>): void {
    const { ver, snapshotId, chunks } = message;
    if (!this.isInstalled(ver) || snapshotId !== this.installed.snapshotId) return;
    const { loading } = this;
    if (loading?.received !== chunks) {
      this.ackSnapshot(from.worker, ver);
      return;
    }
    const { state } = loading;
    this.loading = undefined;
    this.log = new MemoryIndexedLog(state, []);
    this.queuedState = state;
    this.flushedTo = state.applied;
    this.durable = state.applied;
    this.committed = state.applied;
    this.appliedSeq = state.applied;
    this.ackedThrough = state.applied;
    this.committedClear = state.clearedThrough;
    this.install({ ...this.installed, state: 'ok' }, [{ type: 'state', state }], () =>
      this.ackSnapshot(from.worker, ver),
    );
  }

  // ----------------------------------------------------------------------------------------------------------- helpers

  protected isSelf(member: Member): boolean {
    return sameMember(member, this.self);
  }

  private notPrimary(): Reply {
    const { seen } = this;
    const hint = seen === null || this.isSelf(seen.primary) ? undefined : seen.primary;
    return { type: 'not-primary', hint };
  }

  protected send(to: WorkerIndex, message: Message): void {
    this.emit({ type: 'send', to, message });
  }

  private reply(client: Client, reply: Reply): void {
    this.emit({ type: 'reply', client, reply });
  }

  protected emit(effect: Effect): void {
    this.effects.push(effect);
  }

  private fail(reason: string): void {
    this.failed = true;
    this.emit({ type: 'fatal', reason });
  }

  protected facts(): Record<string, unknown> {
    const { gen, epoch } = this.seen ?? { gen: 0, epoch: 0 };
    return {
      partition: this.partition,
      worker: this.self.worker,
      role: this.role,
      ver: `${gen}.${epoch}`,
      base: this.log.base,
      applied: this.appliedSeq,
      committed: this.committed,
      durable: this.durable,
      last: this.log.last,
    };
  }
}

/** Acknowledges a snapshot as a whole: above every index. */
const SNAPSHOT_COMPLETE = 0xffff_ffff;

function verOf({ gen, epoch }: Ver): Ver {
  return { gen, epoch };
}
