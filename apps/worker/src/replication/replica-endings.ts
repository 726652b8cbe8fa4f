/**
 * How replicas of this worker end, and what begins in their place.
 *
 *     running ──condemned──────────────────────────────► quarantined ──nobody counts on it, others can give all──┐
 *        │  ──a row is damaged──► leaving ──parted────────────┘                                                  ▼
 *        └──neither in sync nor wanted, for a while────────────────────────────────────────────────────────── erased
 *
 * Bad replicas. One whose log or rows fail their checks at the start, or that differs from its primary, is quarantined:
 * it says nothing, so its partition goes on without it. One of which a record, or what is kept of a request, turns out
 * to be damaged hands over and leaves first, which clients do not notice but by asking for that very one; if the others
 * cannot do without it, it stays, as a secondary. Once nobody counts on it, and the others have shown that they can
 * give every record, it is erased and born again under another name. As long as it is counted on it may be all that is
 * left of the data, so it is kept as it is; the only copy of a partition thus stays down, for a person to look at.
 */
import type { StoreError } from '@diststore/base';
import { hasMember, isNewer, sameMember } from '@diststore/cluster';
import type { ClusterMap, Incarnation, PartitionId, StoreId, WorkerIndex } from '@diststore/cluster';
import type { Log } from '@diststore/process';
import { newInstalled } from '@diststore/replication';
import type { DurableWrite, InstalledState, Replica, Timing } from '@diststore/replication';

import { DROP_DELAY_MS, LEAVE_AGAIN_MS, SHUTDOWN_DEADLINE_MS } from './limits.js';
import { OthersCheck } from './others-check.js';
import { retryLater } from './outcomes.js';
import type { ReplicaDriver } from './replica-driver.js';
import type { ReplicaObserver } from './replica-observer.js';
import type { Seat, SeatState } from './seat.js';

export interface ReplicaEndingsOptions {
  readonly worker: WorkerIndex;
  readonly store: StoreId;
  readonly observer: ReplicaObserver;
  readonly log: Log;
  readonly timing: Pick<Timing, 'graceMs'>;
  readonly isMasterReachable: () => boolean;
  /** Asks the master for a newer map now; resolves when it was adopted, and also when there was none. */
  readonly refreshMap: () => Promise<void>;
  /** See OthersCheck. */
  readonly readElsewhere: (partition: PartitionId) => Promise<void>;
  readonly dropDelayMs?: number;
  readonly leaveDeadlineMs?: number;
}

/** The host, as far as endings need it. */
export interface EndingHost {
  readonly map: () => ClusterMap | undefined;
  readonly isClosed: () => boolean;
  readonly isStopping: () => boolean;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly tell: (...told: Parameters<ReplicaDriver['tell']>) => void;
  /** Those who wait for the replica are told that they cannot know. */
  readonly forget: (seat: Seat) => void;
  readonly persist: (seat: Seat, writes: readonly DurableWrite[], then: () => void) => void;
  readonly newIncarnation: () => Incarnation;
  /** An empty replica of this name takes the seat. */
  readonly beginAnew: (seat: Seat, installed: InstalledState) => void;
}

export class ReplicaEndings {
  private readonly others: OthersCheck;

  constructor(
    private readonly options: ReplicaEndingsOptions,
    private readonly host: EndingHost,
  ) {
    const { readElsewhere, log } = options;
    this.others = new OthersCheck({
      readElsewhere,
      nowMs: host.nowMs,
      report: (problem) => log.warn(problem),
    });
  }

  tick(seat: Seat, masterReachable: boolean, nowMs: number): void {
    if (seat.replica !== undefined) {
      this.noteRetired(seat, nowMs);
      this.leaveIfDamaged(seat, masterReachable, nowMs);
    }
    this.considerRebirth(seat);
  }

  /**
   * A row fails its checks. While others have it this replica may go, and be made anew from theirs; the only copy
   * stays, since everything else in it is sound.
   * @returns as OnDamage: to ask again, where another replica will answer.
   */
  onDamage(seat: Seat, damage: StoreError): StoreError | undefined {
    const { replica, partition } = seat;
    const insync = replica?.configuration?.insync ?? [];
    if (replica === undefined || insync.every((member) => sameMember(member, replica.self))) return undefined;
    if (seat.damage === undefined) {
      seat.damage = damage.message;
      this.options.log.error(
        `Partition ${partition} has a damaged row here: ${damage.message} ` +
          'Others have it; this replica leaves, and is made anew.',
      );
    }
    return retryLater(partition);
  }

  /**
   * Not without a master, who would have to take note, and not when it has become the only copy: what is sound is served
   * meanwhile. One that leaves takes neither writes nor the primary role, so it does not try for long.
   */
  private leaveIfDamaged(seat: Seat, masterReachable: boolean, nowMs: number): void {
    const { replica, damage, leavingSinceMs } = seat;
    if (replica === undefined || damage === undefined || this.host.isStopping()) return;
    const mayLeave = masterReachable && !isSolePrimary(seat);
    if (leavingSinceMs === undefined) {
      if (!mayLeave) return;
      if (nowMs < seat.stayUntilMs) {
        // Who can give the record should lead. Once: perhaps the other one is damaged as well, and does the same.
        if (seat.role !== 'primary') seat.gaveWay = true;
        else if (!seat.gaveWay) this.host.tell(seat, { type: 'handover', to: undefined });
        return;
      }
      seat.leavingSinceMs = nowMs;
      this.host.tell(seat, { type: 'shutdown' });
    } else if (!mayLeave || nowMs - leavingSinceMs > (this.options.leaveDeadlineMs ?? SHUTDOWN_DEADLINE_MS)) {
      seat.leavingSinceMs = undefined;
      seat.stayUntilMs = nowMs + LEAVE_AGAIN_MS;
      seat.gaveWay = false;
      this.host.tell(seat, { type: 'stay' });
      return;
    }
    if (hasParted(seat)) this.quarantine(seat, damage, seat.installed);
  }

  quarantine(seat: Seat, reason: string, installed: InstalledState | undefined): void {
    this.vacate(seat, 'quarantined');
    seat.problem = reason;
    seat.quarantinedMs = this.host.nowMs();
    seat.installed = installed;
    const { partition } = seat;
    const insync = installed?.configuration?.insync;
    const sole = insync === undefined || insync.length === 1;
    this.options.observer.quarantined?.(partition, reason, { sole });
    this.options.log.error(
      `The replica of partition ${partition} is not to be trusted: ${reason}. ` +
        (sole
          ? 'It may be the only copy, so it is kept as it is, and not served.'
          : 'It is erased once the others go on without it and can give every record, and then learns from them.'),
    );
  }

  /**
   * Once nobody counts on what a bad replica held, and others can give it, it is erased. The map may be old; it never
   * counts on too few of those that have been in sync. A learner may be counted although no map says so: its admission
   * may be proposed, and accepted at any moment. But who counts on it cannot serve without its lease. So who can be read
   * after a grace period of silence does not count on it, and does not begin to.
   */
  considerRebirth(seat: Seat): void {
    if (!this.isGivenUp(seat)) return;
    if (this.host.nowMs() - seat.quarantinedMs < this.options.timing.graceMs) return;
    this.others.ask(seat.partition, () => {
      if (this.isGivenUp(seat)) this.erase(seat);
    });
  }

  private isGivenUp(seat: Seat): boolean {
    if (seat.state !== 'quarantined' || this.host.isClosed()) return false;
    const configuration = this.host.map()?.configurationOf(seat.partition);
    const before = seat.installed?.configuration;
    if (configuration === undefined || (before != null && isNewer(before, configuration))) return false;
    const { worker, store } = this.options;
    return !configuration.insync.some((member) => seat.mayBe(member, { worker, store }));
  }

  private erase(seat: Seat): void {
    this.vacate(seat, 'erasing');
    // Chunks of an earlier session may still be on their way.
    const installed = newInstalled(this.host.newIncarnation(), seat.installed?.snapshotId ?? 0);
    this.host.persist(seat, [{ type: 'erase' }, { type: 'installed', state: installed }], () => {
      this.options.observer.erased?.(seat.partition);
      this.host.beginAnew(seat, installed);
      const configuration = this.host.map()?.configurationOf(seat.partition);
      if (configuration !== undefined) this.host.tell(seat, { type: 'configuration', configuration });
    });
  }

  /** Takes the replica away; those who wait for it are told that they cannot know. */
  vacate(seat: Seat, state: SeatState): void {
    seat.replica = undefined;
    seat.role = 'none';
    seat.state = state;
    seat.retiredSinceMs = undefined;
    seat.damage = undefined;
    seat.leavingSinceMs = undefined;
    seat.stayUntilMs = 0;
    this.host.forget(seat);
  }

  /** Neither in sync nor wanted for a while, and the master has just said so: its data goes. */
  private noteRetired(seat: Seat, nowMs: number): void {
    const { replica } = seat;
    if (replica?.isRetired !== true) {
      seat.retiredSinceMs = undefined;
      return;
    }
    seat.retiredSinceMs ??= nowMs;
    if (nowMs - seat.retiredSinceMs < (this.options.dropDelayMs ?? DROP_DELAY_MS)) return;
    // Not again before the same time has passed.
    seat.retiredSinceMs = nowMs;
    const { last, state } = replica.status;
    if (last === 0 && state === 'ok') return;
    void this.options.refreshMap().then(() => {
      if (seat.replica === replica && this.mayDrop(seat, replica)) this.erase(seat);
    });
  }

  /** Asked with a map in hand that is as new as any. */
  private mayDrop(seat: Seat, replica: Replica): boolean {
    const map = this.host.map();
    if (this.host.isClosed() || map === undefined || !this.options.isMasterReachable()) return false;
    const configuration = map.configurationOf(seat.partition);
    const target = map.targetOf(seat.partition);
    return (
      replica.isRetired &&
      // A message since then has taken the time away.
      seat.retiredSinceMs !== undefined &&
      configuration !== undefined &&
      !hasMember(configuration.insync, replica.self) &&
      // Still a copy of last resort.
      !hasMember(configuration.eligible, replica.self) &&
      target?.replicas.includes(this.options.worker) === false
    );
  }
}

export function isSolePrimary({ role, replica }: Seat): boolean {
  return role === 'primary' && replica?.configuration?.insync.length === 1;
}

/**
 * Whether nobody counts on the replica, nor is about to: in a version that it takes part in, its admission may be
 * proposed, and accepted at any moment. As long as it is counted it must not fall silent: it may be about to lead.
 */
function hasParted({ replica, installed }: Seat): boolean {
  const known = replica?.configuration ?? null;
  if (replica === undefined || known === null || hasMember(known.insync, replica.self)) return false;
  const ver = installed?.configuration ?? null;
  return ver === null || isNewer(known, ver);
}
