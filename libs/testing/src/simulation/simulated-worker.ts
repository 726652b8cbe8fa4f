/**
 * A worker of a simulated cluster: the host of several replicas, as the real one is, over a simulated disk, clock and
 * network. It decides nothing; whatever it does beyond the contract of `ReplicaEvent` would be a bug of the host.
 */
import { InvariantError } from '@diststore/base';
import {
  generation,
  hasMember,
  incarnation,
  memberOf,
  partitionId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type {
  Configuration,
  Generation,
  Member,
  ReplicaProposal,
  StoreId,
  Target,
  WorkerIndex,
} from '@diststore/cluster';
import {
  assembleBeacon,
  decodeBeacon,
  decodeMessage,
  encodeBeacon,
  encodeMessage,
  keyName,
  newInstalled,
  problemOfLog,
} from '@diststore/replication';
import type {
  Beacon,
  BeaconAnswer,
  Chain,
  Decided,
  Effect,
  Entry,
  InstalledState,
  Message,
  Moment,
  Op,
  ReadToken,
  Replica,
  ReplicaEvent,
  ReplicaOptions,
  Reply,
  Role,
  Seq,
  SnapshotRow,
  StoredRecord,
  Timing,
  WriteView,
} from '@diststore/replication';

import { Violation } from './checker.js';
import { SimulatedDisk, snapshotRows } from './simulated-disk.js';
import type { Completion, PersistEffect } from './simulated-disk.js';
import type { Hello, HelloAnswer } from './simulated-master.js';
import type { Simulation } from './simulation.js';

/** What the checker looks at besides the public face of a replica. */
export interface Probe {
  readonly role: Role;
  readonly committed: Seq;
  readonly reconciled: boolean;
  chainAt(seq: Seq): Chain | undefined;
}

export interface ProbedReplica extends Replica {
  readonly probe: Probe;
}

export type ReplicaFactory = (options: ReplicaOptions) => ProbedReplica;

export interface ClientRequest {
  readonly id: string;
  readonly partition: number;
  readonly key: string;
  readonly type: 'put' | 'putIf' | 'delete' | 'clear' | 'read' | 'confirmed';
  /** The value to store, a number of its own. */
  readonly value: number;
  /** For putIf: the value that must be there. */
  readonly expected: number;
}

export type ClientAnswer =
  | { readonly type: 'value'; readonly value: number }
  | { readonly type: 'written' }
  | { readonly type: 'rejected'; readonly value: number }
  | { readonly type: 'elsewhere'; readonly hint: WorkerIndex | undefined }
  | { readonly type: 'failed'; readonly unknown: boolean };

interface Queued {
  readonly partition: number;
  readonly effect: PersistEffect;
  readonly replica: ProbedReplica | undefined;
  readonly then: (() => void) | undefined;
}

const POLL_MS = 150;
const TICK_MS = 50;

export class SimulatedWorker {
  readonly index: WorkerIndex;
  readonly name: string;
  store: StoreId;
  disk: SimulatedDisk;
  boot = 0;
  isUp = false;
  pausedUntilMs = 0;
  slowDiskUntilMs = 0;
  fullDiskUntilMs = 0;
  stopping = false;
  readonly replicas = new Map<number, ProbedReplica>();
  private fence: Generation = generation(1);
  private isNewStore = true;
  private nonce = '';
  private process = 0;
  private readonly rate: number;
  private originMs = 0;
  private readonly wallOffsetMs: number;
  private queue: Queued[] = [];
  private inFlight: Queued[] | undefined;
  private isInFlightWritten = false;
  /** Partitions whose log on disk is damaged, which the next start will notice. */
  readonly damaged = new Set<number>();
  private readonly quarantined = new Set<number>();
  private lazyTimer = false;
  private lastBeaconMs = 0;
  private masterHeardMs = 0;
  private readonly newestBoot = new Map<StoreId, number>();
  private readonly clients = new Map<number, (reply: Reply) => void>();
  private clientNumber = 0;
  private readonly confirmations = new Map<number, (ok: boolean) => void>();
  private readonly snapshots = new Map<string, { rows: SnapshotRow[]; chunk: number }>();
  private readonly targets = new Map<number, Target>();

  constructor(
    private readonly sim: Simulation,
    index: number,
    private readonly timing: Timing,
    private readonly factory: ReplicaFactory,
  ) {
    this.index = workerIndex(index);
    this.name = `worker ${index}`;
    this.store = storeId(sim.random.hex(16));
    this.rate = 1 + sim.random.between(-sim.profile.drift, sim.profile.drift);
    this.wallOffsetMs = sim.random.between(-2000, 2000);
    this.disk = this.newDisk();
  }

  private newDisk(): SimulatedDisk {
    return new SimulatedDisk({
      applied: (partition, entries) => this.sim.checker.applied(this, partition, entries),
    });
  }

  localMs(): number {
    return this.originMs + this.sim.time.nowMs * this.rate;
  }

  private moment(): Moment {
    return { nowMs: this.localMs(), clockSane: true };
  }

  isSole(partition: number): boolean {
    const rows = this.disk.rows(partition);
    return rows.installed?.configuration?.insync.length === 1 && !rows.installed.shared;
  }

  // ------------------------------------------------------------------------------------------------ life of a process

  start(): void {
    this.isUp = true;
    this.stopping = false;
    this.process += 1;
    this.boot += 1;
    this.nonce = this.sim.random.hex(8);
    // Every process reads its monotonic clock from an origin of its own.
    this.originMs =
      this.sim.random.between(0, 10_000) - this.sim.time.nowMs * this.rate + this.sim.time.nowMs;
    this.pausedUntilMs = 0;
    this.lastBeaconMs = 0;
    this.masterHeardMs = -Infinity;
    this.newestBoot.clear();
    this.quarantined.clear();
    this.targets.clear();
    this.sim.trace(() => `${this.name} starts (boot ${this.boot}, store ${this.store.slice(0, 4)})`);
    for (const [partition, rows] of this.disk.partitions)
      if (rows.installed !== undefined) this.open(partition, rows.installed);
    const { process } = this;
    const random = this.sim.random.between(0, TICK_MS);
    this.later(random, () => this.tick(process));
    this.later(random, () => this.poll(process));
  }

  crash(): void {
    if (!this.isUp) return;
    this.sim.trace(() => `${this.name} crashes`);
    this.isUp = false;
    this.process += 1;
    this.isNewStore = false;
    // What is in flight is on the disk as a whole, or not at all.
    if (this.inFlight !== undefined && !this.isInFlightWritten && this.sim.random.chance(0.5))
      for (const { partition, effect } of this.inFlight) this.disk.write(partition, effect);
    this.inFlight = undefined;
    this.queue = [];
    this.lazyTimer = false;
    this.replicas.clear();
    this.clients.clear();
    this.confirmations.clear();
    this.snapshots.clear();
  }

  /** The disk is lost. */
  wipe(): void {
    this.sim.trace(() => `${this.name} loses its disk`);
    this.store = storeId(this.sim.random.hex(16));
    this.disk = this.newDisk();
    this.damaged.clear();
    this.boot = 0;
    this.fence = generation(1);
    this.isNewStore = true;
  }

  private open(partition: number, installed: InstalledState): void {
    const rows = this.disk.rows(partition);
    const entries: Entry[] = [];
    for (let seq = rows.applied.base + 1; ; seq += 1) {
      const entry = rows.log.get(seq);
      if (entry === undefined) break;
      entries.push(entry);
    }
    const problem =
      entries.length < rows.log.size ? 'the log has a hole' : problemOfLog(rows.applied, entries);
    if (problem !== undefined && installed.state === 'ok') {
      this.quarantine(partition, installed, problem);
      return;
    }
    this.adopt(partition, installed, entries);
  }

  private adopt(partition: number, installed: InstalledState, entries: readonly Entry[]): void {
    const rows = this.disk.rows(partition);
    const { smallLogs } = this.sim.profile;
    const replica = this.factory({
      partition: partitionId(partition),
      worker: this.index,
      store: this.store,
      boot: this.boot,
      timing: this.timing,
      installed,
      applied: rows.applied,
      entries,
      nowMs: this.localMs(),
      isNewStore: this.isNewStore,
      fence: this.fence,
      logBytes: smallLogs ? 2000 : 1_000_000,
      logMemoryBytes: smallLogs ? 1500 : 1_000_000,
    });
    this.replicas.set(partition, replica);
    this.step(partition, { type: 'start', ...this.moment() });
    const target = this.targets.get(partition);
    if (target !== undefined) this.step(partition, { type: 'target', target, ...this.moment() });
  }

  /** One bad replica is not a bad disk: it is erased and comes back under another name. */
  private quarantine(partition: number, installed: InstalledState, problem: string): void {
    this.sim.trace(() => `${this.name} quarantines partition ${partition}: ${problem}`);
    const fresh = newInstalled(incarnation(this.sim.random.hex(8)), installed.snapshotId);
    this.replicas.delete(partition);
    this.quarantined.add(partition);
    this.enqueue({
      partition,
      effect: {
        type: 'persist',
        number: 0,
        ver: null,
        urgent: true,
        writes: [{ type: 'erase' }, { type: 'installed', state: fresh }],
      },
      replica: undefined,
      then: () => {
        this.damaged.delete(partition);
        this.quarantined.delete(partition);
        this.adopt(partition, fresh, []);
      },
    });
  }

  /** Runs in this process, later; not if it has ended by then, and not while it is paused. */
  private later(delayMs: number, run: () => void): void {
    const { process } = this;
    this.sim.time.after(delayMs, () => this.whenRunning(process, run));
  }

  private whenRunning(process: number, run: () => void): void {
    if (this.process !== process || !this.isUp) return;
    if (this.pausedUntilMs > this.sim.time.nowMs) {
      this.sim.time.at(this.pausedUntilMs, () => this.whenRunning(process, run));
      return;
    }
    run();
  }

  /** Something arrives from the network, at whatever process runs here now. */
  receive(run: () => void): void {
    if (this.isUp) this.whenRunning(this.process, run);
  }

  private tick(process: number): void {
    if (this.process !== process) return;
    this.later(TICK_MS + this.sim.random.between(0, 5), () => this.tick(process));
    const masterReachable = this.localMs() - this.masterHeardMs < 4 * POLL_MS;
    const wallMs = Math.max(0, this.sim.time.nowMs + this.wallOffsetMs + 10_000);
    for (const partition of [...this.replicas.keys()])
      this.step(partition, { type: 'tick', wallMs, masterReachable, ...this.moment() });
    if (this.localMs() - this.lastBeaconMs >= this.timing.beaconMs) this.sendBeacons();
    if (this.stopping && [...this.replicas.values()].every((replica) => replica.mayStop))
      this.sim.stopped(this);
  }

  private sendBeacons(): void {
    this.lastBeaconMs = this.localMs();
    for (const other of this.sim.workers) {
      if (other === this) continue;
      const frame = { boot: this.boot, sentAtMs: this.localMs(), leaseMs: this.timing.leaseMs };
      const beacon = assembleBeacon(this.replicas.values(), other.index, frame);
      if (beacon !== undefined) this.sim.send(this, other, () => other.onBeacon(this.sender(), beacon));
    }
  }

  private sender(): { worker: WorkerIndex; store: StoreId; boot: number; from: SimulatedWorker } {
    return { worker: this.index, store: this.store, boot: this.boot, from: this };
  }

  /** Frames of an earlier process than the newest heard of are dropped, as the transport does. */
  private isStale(store: StoreId, boot: number): boolean {
    if (boot < (this.newestBoot.get(store) ?? 0)) return true;
    this.newestBoot.set(store, boot);
    return false;
  }

  private onBeacon(sender: ReturnType<SimulatedWorker['sender']>, frame: Beacon): void {
    if (this.isStale(sender.store, sender.boot)) return;
    const beacon = this.sim.profile.encoded ? decodeBeacon(encodeBeacon(frame)) : frame;
    if (beacon === undefined) throw new Violation('CODEC: a beacon does not survive its bytes');
    const accepted: BeaconAnswer['accepted'][number][] = [];
    const rejected: BeaconAnswer['rejected'][number][] = [];
    for (const item of beacon.items) {
      const replica = this.ensure(item.partition);
      if (replica === undefined) continue;
      const from = { worker: sender.worker, store: sender.store };
      const event: ReplicaEvent = { type: 'beacon', from, leaseMs: beacon.leaseMs, item, ...this.moment() };
      for (const effect of this.step(item.partition, event)) {
        if (effect.type !== 'beaconAnswer') continue;
        if (effect.accepted)
          accepted.push({ partition: item.partition, ver: item.ver, incarnation: replica.self.incarnation });
        else if (effect.newer !== undefined)
          rejected.push({ partition: item.partition, configuration: effect.newer });
      }
    }
    const answer: BeaconAnswer = { boot: beacon.boot, sentAtMs: beacon.sentAtMs, accepted, rejected };
    const me = this.sender();
    this.sim.send(this, sender.from, () => sender.from.onBeaconAnswer(me, answer));
  }

  private onBeaconAnswer(sender: ReturnType<SimulatedWorker['sender']>, answer: BeaconAnswer): void {
    if (this.isStale(sender.store, sender.boot)) return;
    for (const { partition, ver, incarnation: of } of answer.accepted) {
      const from: Member = { worker: sender.worker, store: sender.store, incarnation: of };
      const { sentAtMs, boot } = answer;
      if (boot !== this.boot) continue;
      if (this.replicas.has(partition))
        this.step(partition, { type: 'beaconAccepted', from, ver, sentAtMs, boot, ...this.moment() });
    }
    for (const { partition, configuration } of answer.rejected)
      if (this.replicas.has(partition))
        this.step(partition, { type: 'configuration', configuration, ...this.moment() });
  }

  // ----------------------------------------------------------------------------------------------------------- master

  private poll(process: number): void {
    if (this.process !== process) return;
    this.later(POLL_MS + this.sim.random.between(0, 20), () => this.poll(process));
    const known = new Map<number, Configuration>();
    for (const [partition, replica] of this.replicas) {
      const { configuration } = replica.status;
      if (configuration !== null) known.set(partition, configuration);
    }
    const { index: worker, store, boot, nonce, fence } = this;
    const hello: Hello = { worker, store, boot, nonce, fence, known };
    const { master } = this.sim;
    this.sim.sendToMaster(this, () => {
      const answer = master.hello(hello);
      if (answer !== undefined)
        this.sim.sendFromMaster(this, () => {
          if (this.process === process) this.onHelloAnswer(answer);
        });
    });
  }

  private onHelloAnswer({ configurations, targets, fence }: HelloAnswer): void {
    this.masterHeardMs = this.localMs();
    if (fence > this.fence) {
      this.fence = fence;
      for (const partition of [...this.replicas.keys()])
        this.step(partition, { type: 'fence', gen: fence, ...this.moment() });
    }
    for (const [partition, target] of targets) {
      if ((this.targets.get(partition)?.rev ?? 0) >= target.rev) continue;
      this.targets.set(partition, target);
      if (this.replicas.has(partition)) this.step(partition, { type: 'target', target, ...this.moment() });
    }
    for (const [partition, configuration] of configurations) {
      if (configuration.gen < this.fence) continue;
      this.birth(partition, configuration);
      if (this.replicas.has(partition))
        this.step(partition, { type: 'configuration', configuration, ...this.moment() });
    }
  }

  /** A replica that the configuration names and that never wrote anything is born with the name it was given. */
  private birth(partition: number, configuration: Configuration): void {
    if (this.replicas.has(partition) || this.disk.rows(partition).installed !== undefined) return;
    const member = memberOf(configuration.insync, this.index);
    if (member?.store !== this.store) return;
    this.bear(partition, newInstalled(member.incarnation));
  }

  /** The replica of a partition; a new one, which can only learn, if there is none. */
  private ensure(partition: number): ProbedReplica | undefined {
    const replica = this.replicas.get(partition);
    if (replica !== undefined) return replica;
    if (this.disk.rows(partition).installed !== undefined) return undefined;
    if (this.targets.get(partition)?.replicas.includes(this.index) !== true) return undefined;
    // One that was named at creation waits to hear its name from the master.
    if (this.isNamed(partition)) return undefined;
    this.bear(partition, newInstalled(incarnation(this.sim.random.hex(8))));
    return this.replicas.get(partition);
  }

  private isNamed(partition: number): boolean {
    const configuration = this.sim.checker.ghost(partition).configuration;
    return configuration === undefined || memberOf(configuration.insync, this.index)?.store === this.store;
  }

  private bear(partition: number, installed: InstalledState): void {
    this.disk.rows(partition).installed = installed;
    this.adopt(partition, installed, []);
  }

  private propose(proposal: ReplicaProposal): void {
    const { process } = this;
    const { partition, proposalId } = proposal;
    this.sim.sendToMaster(this, () => {
      const decision = this.sim.master.propose(proposal);
      this.sim.trace(
        () =>
          `master: ${proposal.kind} of partition ${partition} by ${this.name} on ${proposal.expect?.gen}.${proposal.expect?.epoch}: ${decision?.answer ?? 'not now'}` +
          (decision?.answer === 'refused' ? ` ${decision.reason}` : ''),
      );
      this.sim.sendFromMaster(this, () => {
        if (this.process !== process || !this.replicas.has(partition)) return;
        if (decision === undefined)
          this.step(partition, { type: 'proposalFailed', proposalId, ...this.moment() });
        else this.step(partition, { type: 'proposalAnswer', proposalId, decision, ...this.moment() });
      });
    });
  }

  // ----------------------------------------------------------------------------------------------------- state machine

  step(partition: number, event: ReplicaEvent): readonly Effect[] {
    const replica = this.replicas.get(partition);
    if (replica === undefined) return [];
    let effects: Effect[];
    try {
      effects = replica.step(event);
    } catch (error) {
      if (error instanceof InvariantError) throw new Violation(`INVARIANT on ${this.name}: ${error.message}`);
      throw error;
    }
    this.sim.steps += 1;
    this.sim.tracer?.(this, partition, event, effects);
    this.sim.checker.stepped(this, partition);
    for (const effect of effects) this.perform(partition, replica, effect);
    return effects;
  }

  private perform(partition: number, replica: ProbedReplica, effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.enqueue({ partition, effect, replica, then: undefined });
        return;
      case 'send':
        this.sendMessage(partition, replica, effect.to, effect.message);
        return;
      case 'reply': {
        const reply = this.clients.get(effect.client);
        this.clients.delete(effect.client);
        reply?.(effect.reply);
        return;
      }
      case 'propose':
        this.propose(effect.proposal);
        return;
      case 'confirmed': {
        const confirmation = this.confirmations.get(effect.token);
        this.confirmations.delete(effect.token);
        confirmation?.(effect.ok);
        return;
      }
      case 'readLog': {
        const { log } = this.disk.rows(partition);
        const entries: Entry[] = [];
        for (let seq = effect.from; seq <= effect.through; seq += 1) {
          const entry = log.get(seq);
          if (entry === undefined) break;
          entries.push(entry);
        }
        this.later(1, () =>
          this.step(partition, { type: 'logRead', worker: effect.worker, entries, ...this.moment() }),
        );
        return;
      }
      case 'snapshotOpen': {
        const { snapshotId } = effect;
        this.later(1, () => {
          const rows = this.disk.rows(partition);
          this.snapshots.set(`${partition}:${snapshotId}`, { rows: snapshotRows(rows), chunk: 0 });
          this.step(partition, { type: 'snapshotOpened', snapshotId, state: rows.applied, ...this.moment() });
        });
        return;
      }
      case 'snapshotRead':
        this.readSnapshot(partition, effect.snapshotId, effect.index);
        return;
      case 'snapshotClose':
        this.snapshots.delete(`${partition}:${effect.snapshotId}`);
        return;
      case 'fatal':
        throw new Violation(`FATAL on ${this.name}, partition ${partition}: ${effect.reason}`);
      case 'beaconAnswer':
      case 'role':
      case 'mismatch':
        return;
    }
  }

  private readSnapshot(partition: number, snapshotId: number, index: number): void {
    this.later(1, () => {
      const snapshot = this.snapshots.get(`${partition}:${snapshotId}`);
      if (snapshot === undefined) return;
      const rowsPerChunk = 6;
      const rows = snapshot.rows.slice((index - 1) * rowsPerChunk, index * rowsPerChunk);
      const done = index * rowsPerChunk >= snapshot.rows.length;
      this.step(partition, { type: 'snapshotRead', snapshotId, index, rows, done, ...this.moment() });
    });
  }

  private sendMessage(partition: number, replica: ProbedReplica, to: WorkerIndex, message: Message): void {
    const other = this.sim.workers[to - 1];
    if (other === undefined) return;
    const { incarnation: of } = replica.self;
    const sender = this.sender();
    let sent = message;
    if (this.sim.profile.encoded) {
      const bytes = encodeMessage({ partition: partitionId(partition), incarnation: of, message });
      const decoded = decodeMessage(bytes);
      if (decoded === undefined)
        throw new Violation(`CODEC: a message of type ${message.type} does not survive its bytes`);
      sent = decoded.message;
    }
    if (!other.isUp && this.sim.random.chance(0.7))
      this.later(1, () => this.step(partition, { type: 'refused', worker: to, ...this.moment() }));
    this.sim.send(this, other, () => {
      if (other.isStale(sender.store, sender.boot) || other.ensure(partition) === undefined) return;
      const from: Member = { worker: sender.worker, store: sender.store, incarnation: of };
      other.step(partition, { type: 'message', from, message: sent, ...other.moment() });
    });
  }

  // -------------------------------------------------------------------------------------------------------- the disk

  private enqueue(queued: Queued): void {
    this.queue.push(queued);
    this.kick();
  }

  private kick(): void {
    if (this.inFlight !== undefined || this.queue.length === 0) return;
    if (!this.queue.some(({ effect }) => effect.urgent)) {
      if (this.lazyTimer) return;
      this.lazyTimer = true;
      this.later(this.timing.applyDelayMs, () => {
        this.lazyTimer = false;
        this.commit();
      });
      return;
    }
    this.commit();
  }

  private commit(): void {
    if (this.inFlight !== undefined || this.queue.length === 0) return;
    const batch = this.queue.splice(0, 1 + this.sim.random.below(40));
    this.inFlight = batch;
    this.isInFlightWritten = false;
    const { time, random } = this.sim;
    const isSlow = time.nowMs < this.slowDiskUntilMs;
    const durationMs = isSlow ? random.between(50, 900) : random.between(0.5, 6);
    const { process } = this;
    time.after(durationMs, () => {
      // The disk goes on while the process is paused, but not after it has crashed.
      if (this.process !== process) return;
      for (const { partition, effect } of batch) this.disk.write(partition, effect);
      this.isInFlightWritten = true;
      this.whenRunning(process, () => this.completed(batch));
    });
  }

  private completed(batch: readonly Queued[]): void {
    this.inFlight = undefined;
    const newest = new Map<ProbedReplica, Completion>();
    for (const { partition, effect, replica, then } of batch) {
      if (replica !== undefined) newest.set(replica, { partition, number: effect.number, ver: effect.ver });
      then?.();
    }
    for (const [replica, { partition, number, ver }] of newest)
      if (this.replicas.get(partition) === replica)
        this.step(partition, { type: 'persisted', number, ver, ...this.moment() });
    this.kick();
  }

  // ---------------------------------------------------------------------------------------------------------- clients

  handle(request: ClientRequest, answer: (answer: ClientAnswer) => void): void {
    const replica = this.replicas.get(request.partition);
    if (replica === undefined) {
      answer({ type: 'elsewhere', hint: undefined });
      return;
    }
    if (request.type === 'read') this.read(replica, request, answer);
    else if (request.type === 'confirmed') this.readConfirmed(replica, request, answer);
    else this.write(request, answer, 3);
  }

  private lookUp(replica: ProbedReplica, { partition, key }: ClientRequest): number {
    const pending = replica.overlay(key);
    const record = pending === undefined ? this.disk.rows(partition).data.get(key) : pending.record;
    if (record === undefined || record.version <= replica.clearedThrough) return 0;
    return numberOf(record);
  }

  private read(replica: ProbedReplica, request: ClientRequest, answer: (answer: ClientAnswer) => void): void {
    const token = replica.beginRead(this.moment());
    if (typeof token === 'string') {
      answer(
        token === 'not-primary'
          ? { type: 'elsewhere', hint: this.hint(replica) }
          : { type: 'failed', unknown: false },
      );
      return;
    }
    const value = this.lookUp(replica, request);
    const finish = (): void => {
      if (this.replicas.get(request.partition) !== replica) return;
      const verdict = replica.mayAnswer(token, this.moment());
      answer(verdict === 'ok' ? { type: 'value', value } : { type: 'failed', unknown: false });
    };
    this.later(this.sim.random.between(0, 3), finish);
  }

  private readConfirmed(
    replica: ProbedReplica,
    request: ClientRequest,
    answer: (answer: ClientAnswer) => void,
  ): void {
    const begun = replica.beginConfirmedRead();
    if (typeof begun === 'string') {
      answer(
        begun === 'not-primary'
          ? { type: 'elsewhere', hint: this.hint(replica) }
          : { type: 'failed', unknown: false },
      );
      return;
    }
    const token: ReadToken = begun;
    const value = this.lookUp(replica, request);
    this.clientNumber += 1;
    const number = this.clientNumber;
    this.confirmations.set(number, (ok) => {
      const verdict = ok ? replica.mayAnswerConfirmed(token) : 'retry-later';
      answer(verdict === 'ok' ? { type: 'value', value } : { type: 'failed', unknown: false });
    });
    this.step(request.partition, { type: 'confirm', token: number, ...this.moment() });
  }

  private hint(replica: ProbedReplica): WorkerIndex | undefined {
    const { configuration } = replica.status;
    return configuration?.primary.worker;
  }

  private write(request: ClientRequest, answer: (answer: ClientAnswer) => void, attempts: number): void {
    const { partition, key } = request;
    const replica = this.replicas.get(partition);
    if (replica === undefined || this.sim.time.nowMs < this.fullDiskUntilMs) {
      answer({ type: 'failed', unknown: false });
      return;
    }
    const rows = this.disk.rows(partition);
    const reads = {
      appliedSeq: replica.applied,
      records: new Map<string, StoredRecord | null>([[key, rows.data.get(key) ?? null]]),
      finished: rows.finished.get(request.id),
    };
    this.clientNumber += 1;
    const client = this.clientNumber;
    this.clients.set(client, (reply) => {
      if (reply.type === 'needRead' && attempts > 0) this.write(request, answer, attempts - 1);
      else answer(answerOf(reply));
    });
    const event: ReplicaEvent = {
      type: 'write',
      client,
      wallMs: Math.max(0, this.sim.time.nowMs + this.wallOffsetMs + 10_000),
      request: { id: request.id, fingerprint: { hi: request.value, lo: request.expected } },
      reads,
      command: (view) => decideCommand(request, view),
      ...this.moment(),
    };
    // Mostly at once, as a host does that reads on its own thread; sometimes the read takes a while.
    const run = (): void => {
      if (this.replicas.get(partition) !== replica) return;
      this.step(partition, { ...event, ...this.moment() });
      this.later(0, () => this.step(partition, { type: 'flush', ...this.moment() }));
    };
    if (attempts > 0 && this.sim.random.chance(0.3)) this.later(this.sim.random.between(0, 4), run);
    else run();
  }

  handover(partition: number): void {
    if (this.replicas.has(partition))
      this.step(partition, { type: 'handover', to: undefined, ...this.moment() });
  }

  shutdown(): void {
    this.stopping = true;
    for (const partition of [...this.replicas.keys()])
      this.step(partition, { type: 'shutdown', ...this.moment() });
  }

  /** Damages one row of a log on disk, to be found at the next start. */
  corrupt(partition: number): boolean {
    const { log } = this.disk.rows(partition);
    const seqs = [...log.keys()];
    if (seqs.length === 0) return false;
    const seq = seqs[this.sim.random.below(seqs.length)] as Seq;
    // The last one is left alone: losing the end of a log without a trace is what fsync promises not to do.
    if (!log.has(seq + 1)) return false;
    log.delete(seq);
    this.damaged.add(partition);
    return true;
  }

  holds(partition: number, configuration: Configuration): boolean {
    const replica = this.replicas.get(partition);
    return replica !== undefined && hasMember(configuration.insync, replica.self);
  }
}

function numberOf({ payload }: StoredRecord): number {
  return Number(keyName(payload));
}

function decideCommand(request: ClientRequest, view: WriteView): Decided {
  const { counts } = view;
  if (request.type === 'clear') {
    const ops: Op[] = [{ type: 'clear', through: view.seq }];
    return { type: 'write', ops, counts: { keys: 0, bytes: 0 }, result: text('0') };
  }
  const key = text(request.key);
  const old = view.get(key);
  const value = old === undefined ? 0 : numberOf(old);
  if (request.type === 'putIf' && value !== request.expected)
    return { type: 'answer', result: text(`rejected ${value}`) };
  if (request.type === 'delete') {
    if (old === undefined) return { type: 'answer', result: text('absent') };
    return {
      type: 'write',
      ops: [{ type: 'del', key, oldExpireAtMs: 0 }],
      counts: { keys: counts.keys - 1, bytes: 0 },
      result: text(String(value)),
    };
  }
  return {
    type: 'write',
    ops: [
      {
        type: 'put',
        key,
        expireAtMs: 0,
        contentType: undefined,
        payload: text(String(request.value)),
        oldExpireAtMs: 0,
      },
    ],
    counts: { keys: counts.keys + (old === undefined ? 1 : 0), bytes: 0 },
    result: text(String(value)),
  };
}

function answerOf(reply: Reply): ClientAnswer {
  switch (reply.type) {
    case 'ok':
      return { type: 'written' };
    case 'answer': {
      const result = keyName(reply.result);
      if (result === 'absent') return { type: 'rejected', value: 0 };
      return { type: 'rejected', value: Number(result.split(' ')[1]) };
    }
    case 'not-primary':
      return { type: 'elsewhere', hint: reply.hint?.worker };
    case 'unknown':
      return { type: 'failed', unknown: true };
    case 'needRead':
    case 'retry-later':
    case 'too-few-replicas':
      return { type: 'failed', unknown: false };
    case 'request-id-reused':
      throw new Violation('REQUEST: a request id is said to be used twice');
  }
}

function text(value: string): Uint8Array {
  return Uint8Array.from(value, (c) => c.charCodeAt(0));
}
