/**
 * All replicas of this worker: their births, the clock that they are told, and what they hear of the cluster.
 * It decides nothing about the data; that is each replica's to do (libs/replication), and the driver's to perform.
 *
 *     cluster map ──► targets, configurations, births          ticks, every TICK_MS ──► each replica, then beacons
 *     messages    ──► the replica they name, born if need be    disk, network ──► driver ──► the replica that asked
 *
 * Births. A replica exists from the moment that row 01 is written, and then for good: row 01 is never deleted, only
 * replaced by that of a new incarnation. Where there is none, a configuration that names this worker, this store and
 * an incarnation gives birth to that very one, empty; which is how a created partition begins. Otherwise the primary's
 * first message gives birth to a learner with a random name, if the target names this worker. A worker that does not
 * know yet whether it is named waits.
 *
 * Ends are told in replica-endings.ts.
 */
import type { Random } from '@diststore/base';
import { invariant, StoreError } from '@diststore/base';
import { hasMember, incarnation, isNewer, memberOf } from '@diststore/cluster';
import type {
  ClusterMap,
  Configuration,
  Decision,
  Generation,
  Incarnation,
  PartitionId,
  PartitionRecord,
  ReplicaProposal,
  WorkerIndex,
} from '@diststore/cluster';
import { APPLIED_NOTHING, newInstalled, Replica } from '@diststore/replication';
import type {
  AppliedState,
  DurableWrite,
  Entry,
  InstalledState,
  Message,
  ReplicaStatus,
  Timing,
} from '@diststore/replication';
import type { Storage } from '@diststore/storage';

import { Beacons } from './beacons.js';
import { ClockSanity, machineClocks } from './clock-sanity.js';
import type { MachineClocks } from './clock-sanity.js';
import { CommitQueue } from './commit-queue.js';
import {
  ADMIT_BYTES_MAX,
  LOG_BYTES_MIN,
  RECEIVE_BYTES_MAX,
  SHUTDOWN_DEADLINE_MS,
  SNAPSHOT_BYTES_PER_SECOND,
  SNAPSHOTS_IN_MAX,
  SNAPSHOTS_OUT_MAX,
  TICK_MS,
} from './limits.js';
import { ReplicaDriver } from './replica-driver.js';
import { isSolePrimary, ReplicaEndings } from './replica-endings.js';
import type { ReplicaEndingsOptions } from './replica-endings.js';
import type { Lane, Line, ReplicaNetwork } from './replica-network.js';
import { Seat } from './seat.js';
import type { SeatState } from './seat.js';
import { SnapshotSource } from './snapshot-source.js';
import { installedPartitions, loadReplica } from './store/load-replica.js';
import { RecordCache } from './store/record-cache.js';
import { problemOfSnapshotRows } from './store/snapshot-rows.js';
import type { UnderWay } from './store/leftovers.js';

export interface ReplicaHostOptions extends ReplicaEndingsOptions {
  readonly storage: Storage;
  readonly boot: number;
  /** The store was created by this very process, so nothing was ever promised on it. */
  readonly isNewStore: boolean;
  /** As durable in the store's header. Configurations of older generations are refused. */
  readonly fence: Generation;
  /** The same on every worker of the cluster. */
  readonly timing: Timing;
  readonly network: ReplicaNetwork;
  /** Rejects when the master does not answer in time, or takes no proposals now. */
  readonly propose: (proposal: ReplicaProposal) => Promise<Decision>;
  /** Asks the master now whether it takes proposals. Resolves with false also when it does not answer in time. */
  readonly canPropose: () => Promise<boolean>;
  /** Of all replicas together, on disk and in memory. */
  readonly logBudgetBytes: number;
  readonly logMemoryBudgetBytes: number;
  /** See RecordCache. */
  readonly recordCacheBytes: number;
  readonly random: Random;
  /** Ends the process. */
  readonly fatal: (error: unknown) => void;
  readonly clocks?: MachineClocks;
}

/** What is known of a partition here, for reports to the master and for people. */
export interface HostedReplica {
  readonly partition: PartitionId;
  readonly state: SeatState;
  /** The newest that this worker has seen; of a quarantined replica, the one that it was installed in. */
  readonly configuration: Configuration | undefined;
  readonly status: ReplicaStatus | undefined;
  /** Of a secondary: since it last heard its primary, or since the start. */
  readonly lagMs: number | undefined;
  /** Why it is quarantined. */
  readonly problem: string | undefined;
}

export class ReplicaHost {
  readonly driver: ReplicaDriver;
  readonly clocks: ClockSanity;
  private readonly seats = new Map<PartitionId, Seat>();
  private readonly recordCache: RecordCache;
  private readonly queue: CommitQueue<object>;
  private readonly beacons: Beacons;
  private readonly snapshots: SnapshotSource;
  private readonly endings: ReplicaEndings;
  private readonly machine: MachineClocks;
  private map: ClusterMap | undefined;
  /** As of `map`. */
  private readonly records = new Map<PartitionId, PartitionRecord>();
  private fenceGen: Generation;
  private timer: NodeJS.Timeout | undefined;
  private readonly openedMs: number;
  private lastTickMs = 0;
  private isHolding = false;
  private isClosed = false;
  private isStopping = false;
  private onStopped: (() => void) | undefined;

  private constructor(private readonly options: ReplicaHostOptions) {
    const { storage, network, timing, observer, boot } = options;
    this.machine = options.clocks ?? machineClocks;
    this.openedMs = this.machine.monotonicNowMs();
    this.clocks = new ClockSanity(this.machine, timing.clockJumpMs);
    this.recordCache = new RecordCache(options.recordCacheBytes);
    this.fenceGen = options.fence;
    const report = (problem: string): void => options.log.warn(problem);
    this.queue = new CommitQueue<object>({
      storage,
      opsOf: (partition, writes) => this.seat(partition).store.opsOf(writes),
      erase: (partition) => this.seat(partition).store.erase(),
      persisted: (owner, items) => {
        const seat = this.seats.get(items[0].partition);
        if (seat?.replica === owner) this.driver.onPersisted(seat, seat.replica, items);
        this.relieve();
      },
      failed: options.fatal,
      applyDelayMs: timing.applyDelayMs,
    });
    this.snapshots = new SnapshotSource({
      open: (partition) => this.seat(partition).store.openSnapshot(),
      sessionsMax: SNAPSHOTS_OUT_MAX,
      bytesPerSecond: SNAPSHOT_BYTES_PER_SECOND,
      observer,
      nowMs: () => this.machine.monotonicNowMs(),
      report,
    });
    this.driver = new ReplicaDriver({
      clocks: this.clocks,
      network,
      queue: this.queue,
      snapshots: this.snapshots,
      readLog: (partition, range, bounds) => this.seat(partition).store.readLog(range, bounds),
      problemOfRows: problemOfSnapshotRows,
      propose: options.propose,
      canPropose: options.canPropose,
      observer,
      condemned: (seat, reason) => this.endings.quarantine(seat, reason, seat.installed),
      fatal: options.fatal,
      report,
    });
    this.endings = new ReplicaEndings(options, {
      map: () => this.map,
      isClosed: () => this.isClosed,
      isStopping: () => this.isStopping,
      nowMs: () => this.machine.monotonicNowMs(),
      tell: (seat, event) => void this.driver.tell(seat, event),
      forget: (seat) => this.driver.forget(seat),
      persist: (seat, writes, then) => this.persistHere(seat, writes, then),
      newIncarnation: () => this.newIncarnation(),
      beginAnew: (seat, installed) => this.settle(seat, installed, APPLIED_NOTHING, []),
    });
    this.beacons = new Beacons({
      network,
      boot,
      beaconMs: timing.beaconMs,
      leaseMs: timing.leaseMs,
      clocks: this.clocks,
      replicas: {
        sources: () => this.replicas(),
        partners: () => this.partners(),
        incarnationOf: (partition) => this.ensure(partition)?.incarnation,
        step: (partition, event) => {
          const seat = this.seats.get(partition);
          return seat === undefined ? [] : this.driver.tell(seat, event);
        },
      },
    });
  }

  /**
   * Loads all replicas of the store. They follow what they hear from then on, but nothing is sent by itself and no
   * time passes for them until `start`.
   * @throws StoreError store-corrupt: LevelDB itself found damage; store-closed
   */
  static async open(options: ReplicaHostOptions): Promise<ReplicaHost> {
    const host = new ReplicaHost(options);
    options.network.start({
      onMessage: (lane, line, bytes) => host.onMessage(lane, line, bytes),
      onRefused: (worker) => host.onRefused(worker),
    });
    const partitions = await installedPartitions(options.storage);
    for (const partition of partitions) await host.load(partition, partitions.length);
    return host;
  }

  /** From here on replicas are told the time: they send beacons, take over, admit and remove. */
  start(): void {
    invariant(this.timer === undefined && !this.isClosed, 'a host is started once');
    this.lastTickMs = this.machine.monotonicNowMs();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  // ------------------------------------------------------------------------------------------------ what others ask

  /** The seat of a partition, made if there is none yet: it stays for the life of the process. */
  seat(partition: PartitionId): Seat {
    let seat = this.seats.get(partition);
    if (seat === undefined) {
      const { storage } = this.options;
      const onDamage = (damage: StoreError): StoreError | undefined =>
        this.endings.onDamage(this.seat(partition), damage);
      seat = new Seat(partition, storage, this.recordCache.open(), onDamage);
      seat.target = this.map?.targetOf(partition);
      this.seats.set(partition, seat);
    }
    return seat;
  }

  /** Whether a replica of this worker leads the partition, as far as it knows. Whether it may serve it says itself. */
  leads(partition: PartitionId): boolean {
    return this.seats.get(partition)?.role === 'primary';
  }

  /** Whether this worker has a replica of the partition that may be asked. */
  isRunning(partition: PartitionId): boolean {
    return this.seats.get(partition)?.replica !== undefined;
  }

  /** The newest configuration that this worker knows of the partition, of the map's and the replica's. */
  configurationOf(partition: PartitionId): Configuration | undefined {
    const known = this.seats.get(partition)?.replica?.configuration ?? undefined;
    const mapped = this.map?.configurationOf(partition);
    if (known === undefined || mapped === undefined) return known ?? mapped;
    return isNewer(mapped, known) ? mapped : known;
  }

  /** All seats whose replica leads. */
  *leading(): Iterable<Seat> {
    for (const seat of this.seats.values()) if (seat.role === 'primary') yield seat;
  }

  *running(): Iterable<Seat> {
    for (const seat of this.seats.values()) if (seat.replica !== undefined) yield seat;
  }

  /** Everything that is here, quarantined replicas included: what a registration reports to the master. */
  hosted(): HostedReplica[] {
    const all: HostedReplica[] = [];
    const nowMs = this.machine.monotonicNowMs();
    for (const { partition, state, replica, installed, problem } of this.seats.values()) {
      if (state === 'empty') continue;
      const status = replica?.status;
      const configuration = status?.configuration ?? installed?.configuration ?? undefined;
      const staleness = status?.role === 'follower' ? replica?.staleness(nowMs) : undefined;
      const lagMs = staleness && Math.min(staleness.lagMs, nowMs - this.openedMs);
      all.push({ partition, state, configuration, status, lagMs, problem });
    }
    return all;
  }

  get fence(): Generation {
    return this.fenceGen;
  }

  /** @throws StoreError too-many-requests: more waits for the disk than a new write may join. */
  checkRoom(): void {
    const { bytes } = this.queue;
    if (bytes < ADMIT_BYTES_MAX) return;
    const detail = `${bytes} bytes wait for the disk; nothing was written.`;
    throw new StoreError('too-many-requests', detail, { facts: { waitingBytes: bytes } });
  }

  /** Lets what is committed reach the data now rather than in a while. */
  hurry(): void {
    this.queue.hurry();
  }

  /** What writes under way touch: see CommitQueue. */
  underWay(partition: PartitionId): UnderWay | undefined {
    return this.queue.underWay(partition);
  }

  // ------------------------------------------------------------------------------------------ what the cluster says

  /** Takes up a newer map: targets, configurations, and births. */
  adopt(map: ClusterMap): void {
    if (this.isClosed) return;
    this.map = map;
    for (const record of map.partitionRecords()) {
      // Maps share what did not change.
      if (this.records.get(record.partition) === record) continue;
      this.records.set(record.partition, record);
      this.follow(record);
    }
  }

  /** Refuses configurations of older generations from now on. REQUIRES: `gen` is durable in the store's header. */
  raiseFence(gen: Generation): void {
    if (gen <= this.fenceGen) return;
    this.fenceGen = gen;
    for (const seat of this.running()) this.driver.tell(seat, { type: 'fence', gen });
  }

  /** Passes the primary role on, to `to` or to whoever is in sync. Does nothing where this worker does not lead. */
  handOver(partition: PartitionId, to: WorkerIndex | undefined): void {
    const seat = this.seats.get(partition);
    if (seat !== undefined) this.driver.tell(seat, { type: 'handover', to });
  }

  /**
   * A planned stop of this worker alone: hands every primary role over and leaves every in-sync set that is large
   * enough without it. Not for a stop of the whole cluster, where there is nobody to take over.
   * @returns whether all was handed over within the deadline. Whatever was not is as after a crash.
   */
  async shutDown(deadlineMs: number = SHUTDOWN_DEADLINE_MS): Promise<boolean> {
    if (this.isClosed) return true;
    this.isStopping = true;
    for (const seat of this.running()) {
      // Where nobody can take over, clients are served to the end.
      if (!isSolePrimary(seat)) this.driver.tell(seat, { type: 'shutdown' });
    }
    if (this.mayStop()) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.onStopped = resolve;
      timer = setTimeout(resolve, deadlineMs);
    });
    clearTimeout(timer);
    this.onStopped = undefined;
    return this.mayStop();
  }

  /** Ends all at once; clients that wait are told that they cannot know. What was handed to the storage is its own to finish. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.timer);
    this.queue.close();
    this.driver.close();
    for (const seat of this.running()) this.endings.vacate(seat, 'closed');
    this.snapshots.closeAll();
    this.onStopped?.();
  }

  // ----------------------------------------------------------------------------------------------------------- time

  private tick(): void {
    const { options, clocks } = this;
    const moment = clocks.tick();
    const gapMs = moment.nowMs - this.lastTickMs;
    this.lastTickMs = moment.nowMs;
    if (gapMs > options.timing.stallMs) options.observer.stalled?.(gapMs);
    const wallMs = this.machine.wallNowMs();
    const masterReachable = options.isMasterReachable();
    for (const seat of this.running())
      this.driver.step(seat, { type: 'tick', wallMs, masterReachable }, moment);
    if (!moment.clockSane) {
      options.observer.clockJumped?.();
      options.log.warn(
        'The clocks of this machine disagree: it may have been suspended. All leases are given back.',
      );
      clocks.settle();
    }
    this.beacons.tick(moment.nowMs);
    for (const seat of this.seats.values()) this.endings.tick(seat, masterReachable, moment.nowMs);
    if (this.isStopping && this.mayStop()) this.onStopped?.();
  }

  private mayStop(): boolean {
    for (const { replica } of this.running()) if (replica?.mayStop === false) return false;
    return true;
  }

  private *replicas(): Iterable<Replica> {
    for (const { replica } of this.running()) if (replica !== undefined) yield replica;
  }

  private partners(): Iterable<WorkerIndex> {
    const workers = new Set<WorkerIndex>();
    for (const { replica, target } of this.leading()) {
      for (const { worker } of replica?.configuration?.insync ?? []) workers.add(worker);
      for (const worker of target?.replicas ?? []) workers.add(worker);
    }
    workers.delete(this.options.worker);
    return workers;
  }

  // -------------------------------------------------------------------------------------------------------- network

  private onMessage(lane: Lane, line: Line, bytes: Buffer): void {
    if (this.isClosed) return;
    if (lane === 'beacons') this.beacons.onMessage(line, bytes);
    else
      this.driver.onMessage(lane, line, bytes, (partition, message) => this.receiverOf(partition, message));
    if (!this.isHolding && this.queue.bytes > RECEIVE_BYTES_MAX) {
      this.isHolding = true;
      this.options.network.hold(true);
    }
  }

  private relieve(): void {
    if (!this.isHolding || this.queue.bytes > RECEIVE_BYTES_MAX / 2) return;
    this.isHolding = false;
    this.options.network.hold(false);
  }

  private receiverOf(partition: PartitionId, message: Message): Seat | undefined {
    const seat = this.ensure(partition);
    if (seat === undefined) return undefined;
    if (message.type === 'install' && this.hasLeft(seat, message.configuration)) {
      this.driver.tell(seat, { type: 'configuration', configuration: message.configuration });
      return undefined;
    }
    // Somebody counts on this replica, or is about to.
    seat.retiredSinceMs = undefined;
    if (message.type === 'snapshotBegin' && !this.mayLoad(seat)) return undefined;
    return seat;
  }

  /**
   * Whether a planned stop, or a damaged replica, is done with this partition. The target still wants a replica here,
   * and one that took part as a learner would be admitted again, and counted on by commits when the process ends.
   */
  private hasLeft({ replica, leavingSinceMs }: Seat, configuration: Configuration): boolean {
    if (!(this.isStopping || leavingSinceMs !== undefined) || replica === undefined) return false;
    const known = replica.configuration;
    // Whoever speaks of a version that is over has to be answered.
    if (known !== null && isNewer(known, configuration)) return false;
    return !hasMember(configuration.insync, replica.self);
  }

  /** The sender tries again in a while. */
  private mayLoad(seat: Seat): boolean {
    if (seat.replica?.status.state === 'loading') return true;
    let loading = 0;
    for (const { replica } of this.running()) if (replica?.status.state === 'loading') loading += 1;
    return loading < SNAPSHOTS_IN_MAX;
  }

  private onRefused(worker: WorkerIndex): void {
    if (this.isClosed) return;
    for (const seat of this.leading()) this.driver.tell(seat, { type: 'refused', worker });
  }

  // --------------------------------------------------------------------------------------------------------- births

  private follow({ partition, target, configuration }: PartitionRecord): void {
    const isNamed =
      configuration !== null && memberOf(configuration.insync, this.options.worker) !== undefined;
    if (!this.seats.has(partition) && !isNamed) return;
    const seat = this.seat(partition);
    if (target !== null && target.rev > (seat.target?.rev ?? 0)) {
      seat.target = target;
      this.driver.tell(seat, { type: 'target', target });
    }
    if (configuration === null || configuration.gen < this.fenceGen) return;
    this.birth(seat, configuration);
    this.driver.tell(seat, { type: 'configuration', configuration });
    this.endings.considerRebirth(seat);
  }

  /** A replica that the configuration names and that never wrote anything is born with the name it was given. */
  private birth(seat: Seat, { insync }: Configuration): void {
    if (seat.state !== 'empty') return;
    const member = memberOf(insync, this.options.worker);
    if (member?.store === this.options.store) this.bear(seat, newInstalled(member.incarnation));
  }

  /** The replica of a partition; a new one, which can only learn, if there is none and the target wants it. */
  private ensure(partition: PartitionId): Seat | undefined {
    const known = this.seats.get(partition);
    if (known !== undefined && known.state !== 'empty')
      return known.replica === undefined ? undefined : known;
    const configuration = this.map?.configurationOf(partition);
    const target = this.map?.targetOf(partition);
    if (configuration === undefined || target?.replicas.includes(this.options.worker) !== true)
      return undefined;
    const seat = this.seat(partition);
    this.birth(seat, configuration);
    if (seat.state === 'empty') this.bear(seat, newInstalled(this.newIncarnation()));
    return seat;
  }

  private bear(seat: Seat, installed: InstalledState): void {
    // Whatever the replica makes durable comes behind this row; what it says before rests on nothing durable.
    this.persistHere(seat, [{ type: 'installed', state: installed }], () => undefined);
    this.settle(seat, installed, APPLIED_NOTHING, []);
  }

  private async load(partition: PartitionId, count: number): Promise<void> {
    const loaded = await loadReplica(this.options.storage, partition);
    invariant(loaded !== undefined, 'a partition with a row 01 has a replica', { partition });
    const seat = this.seat(partition);
    if (loaded.problem === undefined)
      this.settle(seat, loaded.installed, loaded.applied, loaded.entries, count);
    else this.endings.quarantine(seat, loaded.problem, loaded.installed);
  }

  private settle(
    seat: Seat,
    installed: InstalledState,
    applied: AppliedState,
    entries: readonly Entry[],
    count = this.seats.size,
  ): void {
    const { worker, store, boot, timing, isNewStore, logBudgetBytes, logMemoryBudgetBytes } = this.options;
    const moment = this.clocks.moment();
    seat.replica = new Replica({
      partition: seat.partition,
      worker,
      store,
      boot,
      timing,
      installed,
      applied,
      entries,
      nowMs: moment.nowMs,
      isNewStore,
      fence: this.fenceGen,
      logBytes: Math.max(LOG_BYTES_MIN, logBudgetBytes / count),
      logMemoryBytes: Math.max(LOG_BYTES_MIN, logMemoryBudgetBytes / count),
    });
    seat.state = 'running';
    seat.problem = undefined;
    seat.installed = installed;
    seat.retiredSinceMs = undefined;
    seat.begin(applied);
    this.driver.tell(seat, { type: 'start' });
    if (seat.target !== undefined) this.driver.tell(seat, { type: 'target', target: seat.target });
  }

  private newIncarnation(): Incarnation {
    let digits = '';
    while (digits.length < 16) digits += Math.floor(this.options.random() * 16).toString(16);
    return incarnation(digits);
  }

  private persistHere(seat: Seat, writes: readonly DurableWrite[], then: () => void): void {
    seat.note(writes);
    const { partition } = seat;
    this.queue.enqueue({ owner: seat, partition, number: 0, ver: null, urgent: true, writes, then });
  }
}
