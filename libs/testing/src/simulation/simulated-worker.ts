/**
 * A worker of a simulated cluster: the host of several replicas, as the real one is, over a simulated disk, clock and
 * network. It decides nothing; whatever it does beyond the contract of `ReplicaEvent` would be a bug of the host.
 */
import { InvariantError } from '@diststore/base';
import { generation, incarnation, partitionId, storeId, workerIndex } from '@diststore/cluster';
import type {
  Configuration,
  Incarnation,
  Member,
  StoreId,
  StoreStart,
  WorkerIndex,
} from '@diststore/cluster';
import {
  APPLIED_NOTHING,
  assembleBeacon,
  decodeBeacon,
  decodeMessage,
  encodeBeacon,
  encodeMessage,
  newInstalled,
  problemOfLog,
} from '@diststore/replication';
import type {
  AppliedState,
  Beacon,
  BeaconAnswer,
  DurableWrite,
  Effect,
  Entry,
  InstalledState,
  Message,
  Moment,
  ReplicaEvent,
  Seq,
  Timing,
} from '@diststore/replication';

import { CommitLoop } from './commit-loop.js';
import { DamagedRecords } from './damaged-records.js';
import { MasterLink } from './master-link.js';
import type { ObservedReplica, ReplicaFactory } from './observed-replica.js';
import { ProcessLife } from './process-life.js';
import { RequestHandler } from './request-handler.js';
import type { ClientAnswer, ClientRequest } from './requests.js';
import { SimulatedDisk } from './simulated-disk.js';
import type { SimulatedMaster } from './simulated-master.js';
import { SnapshotReader } from './snapshot-reader.js';
import { Violation } from './violation.js';
import type { WorkerHost } from './worker-host.js';
import type { World } from './world.js';

export interface WorkerOptions {
  readonly index: number;
  /** Of the next process. */
  readonly timing: Timing;
  readonly factory: ReplicaFactory;
  readonly master: SimulatedMaster;
  /** All of the cluster, this one included. */
  readonly workers: readonly SimulatedWorker[];
  /** A planned stop has come to its end. */
  readonly onStopped: (worker: SimulatedWorker) => void;
}

const TICK_MS = 50;
/** From the end of a process to the start of the next. */
const RESTART_MS = 50;

interface DiskImage {
  readonly disk: SimulatedDisk;
  readonly boot: number;
  readonly starts: readonly StoreStart[];
  readonly store: StoreId;
}
/** How often a connection to a worker that is down is refused at once. */
const REFUSED_CHANCE = 0.7;

/** Who sent a frame, as the transport knows it. */
interface Sender {
  readonly worker: WorkerIndex;
  readonly store: StoreId;
  readonly boot: number;
  readonly nonce: string;
  readonly from: SimulatedWorker;
}

export class SimulatedWorker implements WorkerHost {
  readonly index: WorkerIndex;
  readonly name: string;
  store: StoreId;
  disk: SimulatedDisk;
  boot = 0;
  starts: StoreStart[] = [];
  stopping = false;
  timing: Timing;
  /** Its disk as it was at some moment, to be rolled back to. */
  private image: DiskImage | undefined;
  readonly life: ProcessLife;
  readonly replicas = new Map<number, ObservedReplica>();
  readonly damaged = new Set<number>();
  readonly lost = new Set<Incarnation>();
  readonly commits: CommitLoop;
  readonly requests: RequestHandler;
  private readonly link: MasterLink;
  private readonly snapshots: SnapshotReader;
  private readonly damagedRecords: DamagedRecords;
  private isNewStore = true;
  /** By its own clock. */
  private readonly retiredSince = new Map<number, number>();
  private lastBeaconMs = 0;
  /** The newest process heard of, by store. */
  private readonly newestBoot = new Map<StoreId, { boot: number; nonce: string }>();

  constructor(
    private readonly world: World,
    private readonly options: WorkerOptions,
  ) {
    this.index = workerIndex(options.index);
    this.name = `worker ${options.index}`;
    this.store = storeId(world.random.hex(16));
    this.timing = options.timing;
    this.life = new ProcessLife(world.time, world.random, world.profile);
    this.disk = this.newDisk();
    this.commits = new CommitLoop(world, this.life, {
      disk: () => this.disk,
      applyDelayMs: options.timing.applyDelayMs,
      completed: ({ replica, partition, number, ver }) => {
        if (this.replicas.get(partition) === replica)
          this.step(partition, { type: 'persisted', number, ver });
      },
    });
    this.requests = new RequestHandler(world, this);
    const bear = (partition: number, installed: InstalledState): void => {
      this.disk.rows(partition).installed = installed;
      this.adopt(partition, installed, APPLIED_NOTHING, []);
    };
    this.link = new MasterLink(world, options.master, this, bear, () => this.startAnew());
    this.snapshots = new SnapshotReader(this);
    this.damagedRecords = new DamagedRecords(world, this, {
      isMasterReachable: () => this.link.isReachable,
      silence: (partition) => this.replicas.delete(partition),
      erase: (partition, installed) => this.erase(partition, installed),
      restart: () => this.restart(),
      isSoundAt: ({ worker }, partition) => {
        const leader = options.workers[worker - 1];
        return leader?.mayServe(partition) === true && leader.isReadable(partition);
      },
    });
  }

  private newDisk(): SimulatedDisk {
    return new SimulatedDisk({
      applied: (partition, entries) => this.world.checker.applied(this, partition, entries),
    });
  }

  get isUp(): boolean {
    return this.life.isUp;
  }

  localMs(): number {
    return this.life.localMs();
  }

  mayServe(partition: number): boolean {
    if (!this.isUp || this.life.hasJumped) return false;
    return this.replicas.get(partition)?.mayServe(this.localMs()) === true;
  }

  /** The time of an event. When the clocks are found apart, every replica hears of it before anything else. */
  moment(): Moment {
    if (!this.life.compareClocks() && this.world.mistake !== 'trustsClocks') {
      this.world.trace(() => `${this.name} was suspended`);
      for (const partition of [...this.replicas.keys()])
        this.step(partition, { type: 'flush' }, { nowMs: this.localMs(), clockSane: false });
    }
    return { nowMs: this.localMs(), clockSane: true };
  }

  isSole(partition: number): boolean {
    const { installed } = this.disk.rows(partition);
    return installed?.configuration?.insync.length === 1 && !installed.shared;
  }

  receive(run: () => void): void {
    this.life.receive(run);
  }

  // ------------------------------------------------------------------------------------------------ life of a process

  start(): void {
    const { world } = this;
    this.stopping = false;
    this.boot += 1;
    this.link.start();
    this.starts.push({ boot: this.boot, nonce: this.link.nonce });
    this.life.start();
    this.lastBeaconMs = 0;
    this.newestBoot.clear();
    world.trace(() => `${this.name} starts (boot ${this.boot}, store ${this.store.slice(0, 4)})`);
    for (const [partition, rows] of this.disk.partitions)
      if (rows.installed !== undefined) this.open(partition, rows.installed);
    const soon = world.random.between(0, TICK_MS);
    this.life.later(soon, () => this.tick());
    this.life.later(soon, () => this.link.poll());
  }

  /** @param isClean the store is closed as it should be: the batch in flight is written */
  crash(isClean = false): void {
    if (!this.isUp) return;
    this.world.trace(() => `${this.name} ${isClean ? 'ends' : 'crashes'}`);
    this.life.end();
    this.isNewStore = false;
    this.commits.crash(isClean);
    this.retiredSince.clear();
    this.replicas.clear();
    this.requests.crash();
    this.snapshots.crash();
    this.damagedRecords.crash();
  }

  /** The disk is lost. REQUIRES: it is down. */
  wipe(): void {
    this.world.trace(() => `${this.name} loses its disk`);
    this.store = storeId(this.world.random.hex(16));
    this.disk = this.newDisk();
    this.damaged.clear();
    this.boot = 0;
    this.starts = [];
    this.link.fence = generation(1);
    this.isNewStore = true;
  }

  /** A machine snapshot is taken. */
  takeImage(): void {
    const { disk, boot, starts, store } = this;
    this.image = { disk: disk.copy(), boot, starts: [...starts], store };
  }

  /** The boot that its image is of, if there is one. */
  get imageBoot(): number | undefined {
    return this.image?.store === this.store ? this.image.boot : undefined;
  }

  /** The machine comes back as it was when its image was taken. REQUIRES: it is down. */
  rollBack(): void {
    const { image } = this;
    if (image === undefined) return;
    this.world.trace(() => `${this.name} is rolled back to boot ${image.boot}`);
    this.disk = image.disk;
    this.boot = image.boot;
    this.starts = [...image.starts];
    for (const partition of image.disk.partitions.keys()) this.damaged.add(partition);
    this.image = undefined;
  }

  /** The master refuses this disk: it is replaced. */
  private startAnew(): void {
    this.restart();
    this.wipe();
  }

  private restart(): void {
    this.crash();
    this.world.time.after(RESTART_MS, () => {
      if (!this.isUp) this.start();
    });
  }

  /** Damages one row of a log on disk, to be found at the next start. @returns whether there was one to damage */
  corrupt(partition: number): boolean {
    const { log } = this.disk.rows(partition);
    const seqs = [...log.keys()];
    if (seqs.length === 0) return false;
    const seq = seqs[this.world.random.below(seqs.length)] as Seq;
    // The last one is left alone: losing the end of a log without a trace is what fsync promises not to do.
    if (!log.has(seq + 1)) return false;
    log.delete(seq);
    this.damaged.add(partition);
    return true;
  }

  /** Damages one record on disk, to be found when it is read. @returns whether there was one to damage */
  damageRecord(partition: number): boolean {
    const { data, unreadable } = this.disk.rows(partition);
    const names = [...data.keys()];
    if (names.length === 0) return false;
    unreadable.add(this.world.random.pick(names));
    return true;
  }

  isReadable(partition: number): boolean {
    return this.disk.rows(partition).unreadable.size === 0;
  }

  /** Its replica is there, and says nothing any more. */
  isSilent(partition: number): boolean {
    return this.damagedRecords.isSilent(partition);
  }

  meetDamage(partition: number): void {
    this.damagedRecords.meet(partition);
  }

  heard(partition: number, configuration: Configuration): void {
    this.damagedRecords.heard(partition, configuration);
  }

  /** Hands over what it leads and leaves every in-sync set, to stop when that is done. */
  shutdown(): void {
    this.stopping = true;
    for (const partition of [...this.replicas.keys()]) this.step(partition, { type: 'shutdown' });
  }

  handover(partition: number): void {
    this.receive(() => this.step(partition, { type: 'handover', to: undefined }));
  }

  private open(partition: number, installed: InstalledState): void {
    // What a snapshot was to replace means nothing, and may be half erased.
    if (installed.state === 'loading') {
      this.adopt(partition, installed, APPLIED_NOTHING, []);
      return;
    }
    const rows = this.disk.rows(partition);
    const entries: Entry[] = [];
    for (let seq = rows.applied.base + 1; ; seq += 1) {
      const entry = rows.log.get(seq);
      if (entry === undefined) break;
      entries.push(entry);
    }
    const problem =
      entries.length < rows.log.size ? 'the log has a hole' : problemOfLog(rows.applied, entries);
    if (problem !== undefined) {
      this.quarantine(partition, installed, problem);
      return;
    }
    this.adopt(partition, installed, rows.applied, entries);
  }

  private adopt(
    partition: number,
    installed: InstalledState,
    applied: AppliedState,
    entries: readonly Entry[],
  ): void {
    const { smallLogs } = this.world.profile;
    const replica = this.options.factory({
      partition: partitionId(partition),
      worker: this.index,
      store: this.store,
      boot: this.boot,
      timing: this.timing,
      installed,
      applied,
      entries,
      nowMs: this.localMs(),
      isNewStore: this.isNewStore,
      fence: this.link.fence,
      logBytes: smallLogs ? 2000 : 1_000_000,
      logMemoryBytes: smallLogs ? 1500 : 1_000_000,
    });
    this.replicas.set(partition, replica);
    this.step(partition, { type: 'start' });
    const target = this.link.target(partition);
    if (target !== undefined) this.step(partition, { type: 'target', target });
  }

  /** One bad replica is not a bad disk. */
  private quarantine(partition: number, installed: InstalledState, problem: string): void {
    this.world.trace(() => `${this.name} quarantines partition ${partition}: ${problem}`);
    this.lost.add(installed.incarnation);
    this.erase(partition, installed);
  }

  /**
   * Erases a replica, to come back empty and under another name. Its old name goes first: were it erased under it, a
   * crash on the way would leave a replica that is empty and answers for what it held.
   */
  private erase(partition: number, installed: InstalledState): void {
    const fresh = newInstalled(incarnation(this.world.random.hex(8)), installed.snapshotId);
    this.replicas.delete(partition);
    const named: DurableWrite = { type: 'installed', state: { ...fresh, state: 'loading' } };
    const erase: DurableWrite = { type: 'erase' };
    const first: DurableWrite[] = this.world.mistake === 'erasesFirst' ? [erase, named] : [named, erase];
    const writes: DurableWrite[] = [...first, { type: 'installed', state: fresh }];
    this.commits.enqueue({
      partition,
      effect: { type: 'persist', number: 0, ver: null, urgent: true, writes },
      replica: undefined,
      then: () => {
        this.damaged.delete(partition);
        this.adopt(partition, fresh, APPLIED_NOTHING, []);
      },
    });
  }

  /** One that is neither in sync nor wanted for a while is erased. */
  private dropRetired(): void {
    for (const [partition, replica] of [...this.replicas]) {
      if (!this.isRetired(replica)) {
        this.retiredSince.delete(partition);
        continue;
      }
      const sinceMs = this.retiredSince.get(partition);
      if (sinceMs === undefined) this.retiredSince.set(partition, this.localMs());
      const isDue = sinceMs !== undefined && this.localMs() - sinceMs >= this.world.profile.dropMs;
      if (!isDue || !this.link.isReachable || replica.status.last === 0) continue;
      this.world.trace(() => `${this.name} drops its replica of partition ${partition}`);
      this.retiredSince.delete(partition);
      const { installed } = this.disk.rows(partition);
      if (installed !== undefined) this.erase(partition, installed);
    }
  }

  private isRetired(replica: ObservedReplica): boolean {
    if (this.world.mistake !== 'dropsMembers') return replica.isRetired;
    return this.link.target(replica.partition)?.replicas.includes(this.index) === false;
  }

  private tick(): void {
    this.life.later(TICK_MS + this.world.random.between(0, 5), () => this.tick());
    const masterReachable = this.link.isReachable;
    const wallMs = this.life.wallMs();
    for (const partition of [...this.replicas.keys()])
      this.step(partition, { type: 'tick', wallMs, masterReachable });
    if (this.localMs() - this.lastBeaconMs >= this.timing.beaconMs) this.sendBeacons();
    if (this.world.profile.expiring === true)
      for (const partition of [...this.replicas.keys()]) this.requests.sweep(partition);
    this.dropRetired();
    if (!this.stopping) this.damagedRecords.tick();
    if (this.stopping && [...this.replicas.values()].every((replica) => replica.mayStop))
      this.options.onStopped(this);
  }

  // ---------------------------------------------------------------------------------------------- between the workers

  private sendBeacons(): void {
    this.lastBeaconMs = this.localMs();
    const sender = this.sender();
    for (const other of this.options.workers) {
      if (other === this) continue;
      const frame = { boot: this.boot, sentAtMs: this.localMs(), leaseMs: this.timing.leaseMs };
      const beacon = assembleBeacon(this.replicas.values(), other.index, frame);
      if (beacon === undefined) continue;
      this.world.network.send(this, other, () => other.onBeacon(sender, beacon));
    }
  }

  private sender(): Sender {
    const { boot, store, link } = this;
    return { worker: this.index, store, boot, nonce: link.nonce, from: this };
  }

  /** Frames of another process than the newest heard of are dropped, as the transport does. */
  private isStale({ store, boot, nonce }: Sender): boolean {
    const newest = this.newestBoot.get(store);
    if (newest === undefined || boot > newest.boot) this.newestBoot.set(store, { boot, nonce });
    else if (boot < newest.boot || nonce !== newest.nonce) return true;
    return false;
  }

  private onBeacon(sender: Sender, frame: Beacon): void {
    if (this.isStale(sender)) return;
    const beacon = this.world.profile.encoded ? decodeBeacon(encodeBeacon(frame)) : frame;
    if (beacon === undefined) throw new Violation('CODEC: a beacon does not survive its bytes');
    const accepted: BeaconAnswer['accepted'][number][] = [];
    const rejected: BeaconAnswer['rejected'][number][] = [];
    for (const item of beacon.items) {
      const { partition, ver } = item;
      const replica = this.link.ensure(partition);
      if (replica === undefined) continue;
      const from = { worker: sender.worker, store: sender.store };
      for (const effect of this.step(partition, { type: 'beacon', from, leaseMs: beacon.leaseMs, item })) {
        if (effect.type !== 'beaconAnswer') continue;
        if (effect.accepted) accepted.push({ partition, ver, incarnation: replica.self.incarnation });
        else if (effect.newer !== undefined) rejected.push({ partition, configuration: effect.newer });
      }
    }
    const answer: BeaconAnswer = { boot: beacon.boot, sentAtMs: beacon.sentAtMs, accepted, rejected };
    const me = this.sender();
    this.world.network.send(this, sender.from, () => sender.from.onBeaconAnswer(me, answer));
  }

  private onBeaconAnswer(sender: Sender, answer: BeaconAnswer): void {
    if (this.isStale(sender)) return;
    const { sentAtMs, boot } = answer;
    for (const { partition, ver, incarnation: of } of answer.accepted) {
      if (boot !== this.boot || !this.replicas.has(partition)) continue;
      const from: Member = { worker: sender.worker, store: sender.store, incarnation: of };
      this.step(partition, { type: 'beaconAccepted', from, ver, sentAtMs, boot });
    }
    for (const { partition, configuration } of answer.rejected)
      if (this.replicas.has(partition)) this.step(partition, { type: 'configuration', configuration });
  }

  private sendMessage(partition: number, replica: ObservedReplica, to: WorkerIndex, message: Message): void {
    const other = this.options.workers[to - 1];
    if (other === undefined) return;
    const sender = this.sender();
    const from: Member = {
      worker: sender.worker,
      store: sender.store,
      incarnation: replica.self.incarnation,
    };
    const sent = this.world.profile.encoded ? throughBytes(partition, from, message) : message;
    if (!other.isUp && this.world.random.chance(REFUSED_CHANCE))
      this.life.later(1, () => this.step(partition, { type: 'refused', worker: to }));
    this.world.network.send(this, other, () => {
      if (other.isStale(sender) || other.link.ensure(partition) === undefined) return;
      if (message.type === 'install' && other.damagedRecords.hasLeft(partition, message.configuration)) {
        other.step(partition, { type: 'configuration', configuration: message.configuration });
        return;
      }
      other.step(partition, { type: 'message', from, message: sent });
    });
  }

  // ----------------------------------------------------------------------------------------------------- state machine

  step(partition: number, event: ReplicaEvent, moment = this.moment()): readonly Effect[] {
    const replica = this.replicas.get(partition);
    if (replica === undefined) return [];
    let effects: Effect[];
    try {
      effects = replica.step(event, moment);
    } catch (error) {
      if (error instanceof InvariantError) throw new Violation(`INVARIANT on ${this.name}: ${error.message}`);
      throw error;
    }
    this.world.stepped(this, partition, event, effects);
    for (const effect of effects) this.perform(partition, replica, effect);
    return effects;
  }

  private perform(partition: number, replica: ObservedReplica, effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.commits.enqueue({ partition, effect, replica, then: undefined });
        return;
      case 'send':
        this.sendMessage(partition, replica, effect.to, effect.message);
        return;
      case 'reply':
        this.requests.onReply(effect.client, effect.reply);
        return;
      case 'propose':
        this.link.propose(effect.proposal);
        return;
      case 'askMaster':
        this.link.askWhetherOpen(partition, effect.token);
        return;
      case 'confirmed':
        this.requests.onConfirmed(effect.token, effect.ok);
        return;
      case 'readLog':
        this.snapshots.readLog(partition, effect);
        return;
      case 'snapshotOpen':
        this.snapshots.begin(partition, effect.snapshotId);
        return;
      case 'snapshotRead':
        this.snapshots.readChunk(partition, effect.snapshotId, effect.index);
        return;
      case 'snapshotClose':
        this.snapshots.close(partition, effect.snapshotId);
        return;
      case 'fatal':
        throw new Violation(`FATAL on ${this.name}, partition ${partition}: ${effect.reason}`);
      case 'role':
        if (effect.role === 'stopping') this.checkStop(partition);
        return;
      case 'beaconAnswer':
      case 'mismatch':
        return;
    }
  }

  /** Who stops must have heard from the master shortly before: nobody else leads before it has decided. */
  private checkStop(partition: number): void {
    const { awayMs } = this.options.master;
    const { drift } = this.world.profile;
    if (awayMs <= this.timing.handoverDrainMs / (1 - drift)) return;
    throw new Violation(
      `STOPPED_IN_VAIN: ${this.name} hands partition ${partition} over, but the master has been away for ${awayMs.toFixed(0)} ms`,
    );
  }

  handle(request: ClientRequest, answer: (answer: ClientAnswer) => void): void {
    this.requests.handle(request, answer);
  }
}

function throughBytes(partition: number, from: Member, message: Message): Message {
  const envelope = { partition: partitionId(partition), incarnation: from.incarnation, message };
  const decoded = decodeMessage(encodeMessage(envelope));
  if (decoded === undefined)
    throw new Violation(`CODEC: a message of type ${message.type} does not survive its bytes`);
  return decoded.message;
}
