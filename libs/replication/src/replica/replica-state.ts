/**
 * What one replica knows: the one state that its parts share. A part that alone needs something keeps it to itself;
 * here stands what several of them read. Beside each group stands who writes it.
 *
 * What is in memory changes when a write is *enqueued* (`installed`, `queuedState`, `log`); what may be told to others
 * changes when it is *durable* (`installedDurable`, `applied`, `durable`).
 *
 * Here is no rule and no decision: those are in rules.ts and in the parts.
 */
import { invariant, InvariantError } from '@diststore/base';
import { sameMember } from '@diststore/cluster';
import type {
  Configuration,
  Generation,
  Member,
  PartitionId,
  ReplicaProposal,
  StoreId,
  Target,
  Ver,
  WorkerIndex,
} from '@diststore/cluster';

import type { AppliedState, InstalledState } from '../durable-state.js';
import type { Entry, Seq } from '../entry.js';
import type { Message } from '../message.js';
import type { Peer } from '../peer.js';
import { PendingWrites } from '../pending-writes.js';
import { MemoryIndexedLog } from '../replica-log.js';
import type { Client, Effect, Reply, Role } from '../replica-event.js';
import { assertTiming } from '../timing.js';
import type { Timing } from '../timing.js';

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

/** A proposal that the master has not answered for good: a newer version alone ends it. */
export interface OpenProposal {
  readonly proposal: ReplicaProposal;
  sentMs: number;
  refused: boolean;
}

export class ReplicaState {
  readonly partition: PartitionId;
  readonly self: Member;
  readonly boot: number;
  readonly timing: Timing;
  readonly logBytes: number;
  readonly logMemoryBytes: number;

  // As enqueued for the disk. Written by the disk queue, and by whoever cuts, copies or trims the log.
  installed: InstalledState;
  queuedState: AppliedState;
  log: MemoryIndexedLog;
  /** Entries sequenced and not yet enqueued lie above this. */
  flushedTo: Seq;

  // As known to be on the disk. Written when a batch completes, lowered when the log is cut.
  installedDurable = true;
  durable: Seq;
  applied: Seq;

  // How far everybody is. Written by committing, and reset with the log.
  committed: Seq;
  committedClear: Seq;
  /** Of a secondary: what its primary was told; -1: nothing in this version. */
  acknowledged: Seq = 0;

  // What is known of the partition. Written by tenures, but for the last three, which events bring.
  seen: Configuration | null;
  role: Role = 'none';
  readonly proposals = new Map<ReplicaProposal['kind'], OpenProposal>();
  target: Target | undefined;
  fence: Generation;
  /** This worker is about to stop. */
  leaving = false;

  // Time. Written by the step and by the secondary's part.
  nowMs: number;
  sane = true;
  /** When the clocks of this machine were last found apart. */
  clockJumpMs = -Infinity;
  masterReachable = true;
  promiseUntilMs = 0;
  /** No proposal to take over before this. */
  notBeforeMs = 0;
  primaryHeardMs = -Infinity;
  refuseBeaconsUntilMs = 0;

  // Of a primary. Written by tenures; `peers` and what they hold by the parts that speak with them.
  tenure = 0;
  tenureSinceMs = 0;
  waitUntilMs = 0;
  reconcileTo: Seq = 0;
  /** Nobody is judged before this. */
  judgeAfterMs = 0;
  readonly peers = new Map<WorkerIndex, Peer>();
  /** Admissions proposed in this version, which count already. */
  pendingAdd: readonly Member[] = [];
  readonly pendingWrites = new PendingWrites();
  /** Of entries prepared and not committed. */
  windowBytes = 0;

  failed = false;
  /** Of the step under way. */
  effects: Effect[] = [];

  constructor(options: ReplicaOptions) {
    assertTiming(options.timing);
    const { partition, worker, store, boot, timing, installed, applied, nowMs } = options;
    this.partition = partition;
    this.self = { worker, store, incarnation: installed.incarnation };
    this.boot = boot;
    this.timing = timing;
    this.logBytes = options.logBytes;
    this.logMemoryBytes = options.logMemoryBytes;
    this.installed = installed;
    this.queuedState = applied;
    this.log = new MemoryIndexedLog(applied, options.entries);
    this.durable = this.log.last;
    this.flushedTo = this.log.last;
    this.applied = applied.applied;
    this.committed = applied.applied;
    this.committedClear = applied.clearedThrough;
    this.seen = installed.configuration;
    this.fence = options.fence;
    this.nowMs = nowMs;
    invariant(this.applied <= this.log.last, 'what is applied is in the log', this.facts());
  }

  isSelf(member: Member): boolean {
    return sameMember(member, this.self);
  }

  get leads(): boolean {
    return this.role === 'primary' || this.role === 'stopping';
  }

  /** REQUIRES: it is above the applied one, or still in memory. */
  entryAt(seq: Seq): Entry {
    const entry = this.log.at(seq);
    if (entry === undefined) throw this.broken('entries above the applied one are in memory', { seq });
    return entry;
  }

  entriesFrom(from: Seq, through: Seq): Entry[] {
    const entries: Entry[] = [];
    for (let seq = from; seq <= through; seq += 1) entries.push(this.entryAt(seq));
    return entries;
  }

  setRole(role: Role): void {
    if (role === this.role) return;
    this.role = role;
    this.emit({ type: 'role', role, ver: this.seen });
  }

  /** Promises, from now on, not to serve or commit as primary for a while. */
  promise(): void {
    this.promiseUntilMs = Math.max(this.promiseUntilMs, this.nowMs + this.timing.graceMs);
  }

  /** Own slowness must not be taken for that of others: beacons may lie unread in our own sockets. */
  noteStall(): void {
    this.notBeforeMs = this.nowMs + this.timing.beaconMs;
    this.judgeAfterMs = this.nowMs + 2 * this.timing.beaconMs;
    for (const peer of this.peers.values()) {
      peer.suspectTicks = 0;
      if (peer.waitingSinceMs !== undefined) peer.waitingSinceMs = this.nowMs;
    }
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  send(to: WorkerIndex, message: Message): void {
    this.emit({ type: 'send', to, message });
  }

  reply(client: Client, reply: Reply): void {
    this.emit({ type: 'reply', client, reply });
  }

  notPrimary(): Reply {
    const { seen } = this;
    const hint = seen === null || this.isSelf(seen.primary) ? undefined : seen.primary;
    return { type: 'not-primary', hint };
  }

  /** This replica takes no further step. */
  fail(reason: string): void {
    this.failed = true;
    this.emit({ type: 'fatal', reason });
  }

  /** What to throw where checking happens for every entry, and gathering the facts each time would show. */
  broken(mustHold: string, more: Record<string, unknown> = {}): InvariantError {
    return new InvariantError(mustHold, { ...more, ...this.facts() });
  }

  /** For the message of a broken invariant. */
  facts(): Record<string, unknown> {
    const { gen, epoch } = this.seen ?? { gen: 0, epoch: 0 };
    return {
      partition: this.partition,
      worker: this.self.worker,
      role: this.role,
      ver: `${gen}.${epoch}`,
      base: this.log.base,
      applied: this.applied,
      committed: this.committed,
      durable: this.durable,
      last: this.log.last,
    };
  }
}

/** The version alone, of whatever carries one. */
export function verOf({ gen, epoch }: Ver): Ver {
  return { gen, epoch };
}
