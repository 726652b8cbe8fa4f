/**
 * A whole cluster in one process, on virtual time: workers that host the very `Replica` that runs in production, a
 * master with the very `decide`, clients, a network, disks and clocks. One seed decides everything.
 *
 * A run has three parts: a while with faults, then everything is well again and full service must be back within a
 * bound, then the clients stop and the replicas must be equal.
 */
import { InvariantError } from '@diststore/base';
import type { Configuration } from '@diststore/cluster';
import { Replica, TIMINGS } from '@diststore/replication';
import type { Effect, ReplicaEvent, ReplicaOptions } from '@diststore/replication';

import { Checker, Violation } from './checker.js';
import type { FaultKind, Profile } from './profile.js';
import { SeededRandom } from './random.js';
import { SimulatedClient } from './simulated-client.js';
import { digestOf } from './simulated-disk.js';
import { SimulatedMaster } from './simulated-master.js';
import { SimulatedWorker } from './simulated-worker.js';
import type { Probe, ProbedReplica, ReplicaFactory } from './simulated-worker.js';
import { VirtualTime } from './virtual-time.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly profile: Profile;
  /** Makes the replicas; a seeded bug is a replica that does one thing wrong. */
  readonly factory?: ReplicaFactory;
  readonly masterFactory?: (sim: Simulation) => SimulatedMaster;
  /** Called for each line of the trace. */
  readonly trace?: (line: string) => void;
  /** Also trace every step. */
  readonly tracer?: Tracer;
}

export type Tracer = (
  worker: SimulatedWorker,
  partition: number,
  event: ReplicaEvent,
  effects: readonly Effect[],
) => void;

export interface SimulationResult {
  readonly seed: number;
  readonly profile: string;
  /** What was violated; undefined: nothing. */
  readonly violation: string | undefined;
  readonly atMs: number;
  readonly steps: number;
  readonly commits: number;
  readonly operations: number;
  /** Virtual time from the end of the faults to full service. */
  readonly recoveredAfterMs: number;
}

/** A replica with a window for the checker. */
export class ObservedReplica extends Replica implements ProbedReplica {
  get probe(): Probe {
    return {
      role: this.role,
      committed: this.committed,
      reconciled: this.isReconciled(),
      chainAt: (seq) => this.log.chainAt(seq),
    };
  }
}

/** How long the master stays away after all else is well. */
const AWAY_MS = 2500;

export class Simulation {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly workers: SimulatedWorker[] = [];
  readonly master: SimulatedMaster;
  readonly clients: SimulatedClient[] = [];
  readonly checker: Checker;
  readonly partitionCount: number;
  readonly tracer: Tracer | undefined;
  clientsStopped = false;
  steps = 0;
  private faultsOver = false;
  /** Blocked directions, `from>to`; 0 is the master. */
  private readonly cuts = new Map<string, number>();
  private recoveredAfterMs = 0;

  constructor(private readonly options: SimulationOptions) {
    const { seed, profile } = options;
    this.random = new SeededRandom(seed);
    this.profile = profile;
    this.tracer = options.tracer;
    const workerCount = this.inRange(profile.workers);
    this.partitionCount = this.inRange(profile.partitions);
    this.checker = new Checker(this.workers, profile.clocksHold);
    const factory = options.factory ?? ((given: ReplicaOptions) => new ObservedReplica(given));
    this.master = options.masterFactory?.(this) ?? new SimulatedMaster(this);
    for (let i = 1; i <= workerCount; i += 1)
      this.workers.push(new SimulatedWorker(this, i, TIMINGS.fast, factory));
    for (let i = 0; i < profile.clients; i += 1) this.clients.push(new SimulatedClient(this, i));
  }

  private inRange([least, most]: readonly [number, number]): number {
    return least + this.random.below(most - least + 1);
  }

  run(): SimulationResult {
    let violation: string | undefined;
    try {
      this.runAll();
    } catch (error) {
      if (error instanceof Violation) violation = error.message;
      else if (error instanceof InvariantError) violation = `INVARIANT: ${error.message}`;
      else throw error;
    }
    this.trace(() => `end: ${violation ?? 'no violation'}`);
    return {
      seed: this.options.seed,
      profile: this.profile.name,
      violation,
      atMs: this.time.nowMs,
      steps: this.steps,
      commits: this.checker.seen.commits,
      operations: this.clients.reduce((sum, { stats }) => sum + stats.written + stats.read, 0),
      recoveredAfterMs: this.recoveredAfterMs,
    };
  }

  private runAll(): void {
    this.setUp();
    this.time.runUntil(this.profile.faultMs);
    this.healAll();
    if (this.profile.masterStaysAway === true) this.checkWithoutMaster();
    const healedMs = this.time.nowMs;
    while (!this.isFullyServing()) {
      if (this.time.nowMs - healedMs > this.profile.recoveryMs)
        throw new Violation(
          `NOT_RECOVERED: ${this.whatIsMissing() ?? 'nothing'} ${this.profile.recoveryMs} ms after all faults ended`,
        );
      this.time.runUntil(this.time.nowMs + 100);
    }
    this.recoveredAfterMs = this.time.nowMs - healedMs;
    this.time.runUntil(this.time.nowMs + 300);
    this.clientsStopped = true;
    // Outstanding requests end, and the last commit points arrive.
    this.time.runUntil(this.time.nowMs + 2500);
    this.checkEqual();
    this.checker.checkHistories();
  }

  /**
   * With the master gone and every member of a partition well, the partition serves: whatever was proposed meanwhile
   * and not answered.
   */
  private checkWithoutMaster(): void {
    const { master } = this;
    this.time.runUntil(this.time.nowMs + AWAY_MS);
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      const configuration = master.record.configurations.get(partition);
      if (configuration === undefined) continue;
      const leader = this.workers[configuration.primary.worker - 1];
      const replica = leader?.replicas.get(partition);
      // A change that was accepted and that nobody heard of needs the master; so does one that was under way.
      const isSettled = configuration.insync.every(({ worker }) => {
        const seen = this.workers[worker - 1]?.replicas.get(partition)?.status.configuration;
        return seen?.epoch === configuration.epoch && seen.gen === configuration.gen;
      });
      if (leader === undefined || replica?.probe.role !== 'primary' || !isSettled) continue;
      if (!replica.mayServe(leader.localMs()))
        throw new Violation(
          `FROZEN: ${leader.name} may not serve partition ${partition}, though all its members are well; the master is away`,
        );
    }
    master.start(false);
  }

  private setUp(): void {
    const { random, profile } = this;
    const indexes = this.workers.map(({ index }) => index);
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      const factor = Math.min(random.pick(profile.replicationFactors), indexes.length);
      const replicas = this.shuffled(indexes).slice(0, factor);
      this.master.setTarget(partition, replicas, random.pick(replicas));
    }
    this.prepare();
    this.time.after(700, () => this.nextFault());
    if (profile.masterStaysAway === true)
      this.time.after(random.between(1500, 3000), () => this.master.crash());
  }

  /** Starts everything but the faults. */
  prepare(): void {
    for (const worker of this.workers) worker.start();
    for (const client of this.clients) client.start();
    this.everyMasterTick();
  }

  private shuffled<T>(list: readonly T[]): T[] {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i -= 1) {
      const j = this.random.below(i + 1);
      [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
    }
    return copy;
  }

  private everyMasterTick(): void {
    this.master.tick();
    this.time.after(100, () => this.everyMasterTick());
  }

  configured(partition: number, configuration: Configuration): void {
    const { gen, epoch, insync, primary, kind } = configuration;
    this.trace(
      () =>
        `master: partition ${partition} is ${gen}.${epoch} by ${kind}: primary ${primary.worker}, in sync ${insync.map(({ worker }) => worker).join(',')}`,
    );
    this.checker.configured(partition, configuration);
  }

  trace(line: () => string): void {
    this.options.trace?.(`${this.time.nowMs.toFixed(1).padStart(9)}  ${line()}`);
  }

  // ----------------------------------------------------------------------------------------------------------- network

  send(from: SimulatedWorker, to: SimulatedWorker, run: () => void): void {
    this.deliver(from.index, to.index, () => to.receive(run));
  }

  sendToMaster(from: SimulatedWorker, run: () => void): void {
    this.deliver(from.index, 0, () => {
      if (this.master.isUp) run();
    });
  }

  sendFromMaster(to: SimulatedWorker, run: () => void): void {
    if (this.master.isUp) this.deliver(0, to.index, () => to.receive(run));
  }

  sendFromClient(to: SimulatedWorker, run: () => void): void {
    this.deliver(-1, to.index, () => to.receive(run));
  }

  sendToClient(from: SimulatedWorker, run: () => void): void {
    this.deliver(from.index, -1, run);
  }

  private deliver(from: number, to: number, run: () => void): void {
    const { random, profile, time } = this;
    if (this.isCut(from, to)) return;
    const disturbed = !this.faultsOver;
    if (disturbed && random.chance(profile.loss)) return;
    const delayMs = (): number =>
      disturbed && random.chance(profile.late)
        ? random.between(10, profile.lateMsMax)
        : random.between(0.1, 2);
    time.after(delayMs(), run);
    // Clients speak over connections, which do not repeat themselves; their retries do.
    if (disturbed && from >= 0 && to >= 0 && random.chance(profile.duplicate)) time.after(delayMs(), run);
  }

  private isCut(from: number, to: number): boolean {
    const until = this.cuts.get(`${from}>${to}`);
    return until !== undefined && until > this.time.nowMs;
  }

  private cut(from: number, to: number, untilMs: number): void {
    this.cuts.set(`${from}>${to}`, untilMs);
  }

  // ------------------------------------------------------------------------------------------------------------ faults

  private nextFault(): void {
    if (this.faultsOver) return;
    const { faults, faultEveryMs } = this.profile;
    const kinds = Object.entries(faults) as [FaultKind, number][];
    let dice = this.random.unit() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of kinds) {
      dice -= weight;
      if (dice >= 0) continue;
      this.inject(kind);
      break;
    }
    this.time.after(-Math.log(1 - this.random.unit()) * faultEveryMs, () => this.nextFault());
  }

  private inject(kind: FaultKind): void {
    const { random, time } = this;
    const worker = random.pick(this.workers);
    const untilMs = time.nowMs + random.between(50, random.chance(0.5) ? 600 : 2500);
    const partition = random.below(this.partitionCount);
    switch (kind) {
      case 'crash':
        this.restartLater(worker, untilMs);
        return;
      case 'crashAll':
        for (const each of this.workers) this.restartLater(each, untilMs + random.between(0, 500));
        return;
      case 'planned':
        if (worker.isUp && worker.pausedUntilMs <= time.nowMs) {
          this.trace(() => `${worker.name} is asked to stop`);
          worker.shutdown();
          time.after(1500, () => {
            if (worker.stopping) this.stopped(worker);
          });
        }
        return;
      case 'pause':
        this.trace(() => `${worker.name} is paused until ${untilMs.toFixed(0)}`);
        worker.pausedUntilMs = Math.max(worker.pausedUntilMs, untilMs);
        return;
      case 'cutOneWay':
      case 'cutBoth': {
        const other = random.pick(this.workers);
        if (other === worker) return;
        this.trace(
          () =>
            `cut ${worker.index} ${kind === 'cutBoth' ? '<->' : '->'} ${other.index} until ${untilMs.toFixed(0)}`,
        );
        this.cut(worker.index, other.index, untilMs);
        if (kind === 'cutBoth') this.cut(other.index, worker.index, untilMs);
        return;
      }
      case 'isolate':
        this.trace(() => `${worker.name} is cut off until ${untilMs.toFixed(0)}`);
        for (const other of this.workers) {
          this.cut(worker.index, other.index, untilMs);
          this.cut(other.index, worker.index, untilMs);
        }
        if (random.chance(0.5)) {
          this.cut(worker.index, 0, untilMs);
          this.cut(0, worker.index, untilMs);
        }
        return;
      case 'cutMaster':
        this.trace(() => `${worker.name} is cut off from the master until ${untilMs.toFixed(0)}`);
        if (random.chance(0.7)) this.cut(worker.index, 0, untilMs);
        if (random.chance(0.7)) this.cut(0, worker.index, untilMs);
        return;
      case 'masterCrash':
      case 'masterRestore':
        this.crashMaster(untilMs, kind === 'masterRestore');
        return;
      case 'slowDisk':
        this.trace(() => `the disk of ${worker.name} is slow until ${untilMs.toFixed(0)}`);
        worker.slowDiskUntilMs = untilMs;
        return;
      case 'fullDisk':
        worker.fullDiskUntilMs = untilMs;
        return;
      case 'wipe':
        this.wipe(worker, untilMs);
        return;
      case 'corrupt':
        if (this.isSpare(worker)) {
          this.restartLater(worker, untilMs);
          if (worker.corrupt(partition))
            this.trace(() => `the log of partition ${partition} on ${worker.name} is damaged`);
        }
        return;
      case 'move':
        this.move(partition);
        return;
      case 'handover':
        worker.handover(partition);
        return;
    }
  }

  private restartLater(worker: SimulatedWorker, atMs: number): void {
    if (!worker.isUp) return;
    worker.crash();
    this.time.at(atMs, () => {
      if (!worker.isUp) worker.start();
    });
  }

  /** A planned stop has come to its end. */
  stopped(worker: SimulatedWorker): void {
    if (!worker.isUp) return;
    this.trace(() => `${worker.name} stops as planned`);
    this.restartLater(worker, this.time.nowMs + this.random.between(20, 800));
  }

  private crashMaster(untilMs: number, restored: boolean): void {
    const { master } = this;
    if (!master.isUp) return;
    if (!restored && this.random.chance(0.5)) master.takeBackup();
    this.trace(() => `the master crashes${restored ? ', an old backup is restored' : ''}`);
    master.crash();
    this.time.at(untilMs, () => {
      if (!master.isUp) master.start(restored);
    });
  }

  /** Whether every partition keeps an intact in-sync member without this worker's disk. */
  private isSpare(worker: SimulatedWorker): boolean {
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      const intact = this.checker.intactMembers(partition);
      if (intact.length > 0 && intact.every((other) => other === worker)) return false;
    }
    return true;
  }

  private wipe(worker: SimulatedWorker, untilMs: number): void {
    // A restored backup and a lost disk at once are more than what is promised to survive.
    if (this.profile.faults.masterRestore !== undefined || !this.isSpare(worker)) return;
    this.restartLater(worker, Math.max(untilMs, this.time.nowMs + 700));
    if (!worker.isUp) worker.wipe();
  }

  private move(partition: number): void {
    const indexes = this.workers.map(({ index }) => index);
    const current = this.master.workersOf(partition);
    const count = this.random.chance(0.3)
      ? 1 + this.random.below(Math.min(3, indexes.length))
      : Math.min(current.length, indexes.length);
    const replicas = this.shuffled(indexes).slice(0, count);
    this.trace(() => `partition ${partition} shall be on ${replicas.join(',')}`);
    this.master.setTarget(partition, replicas, this.random.pick(replicas));
  }

  private healAll(): void {
    this.trace(() => 'all faults end');
    this.faultsOver = true;
    this.cuts.clear();
    if (this.profile.masterStaysAway !== true && !this.master.isUp) this.master.start(false);
    for (const worker of this.workers) {
      worker.pausedUntilMs = Math.min(worker.pausedUntilMs, this.time.nowMs + 1);
      worker.slowDiskUntilMs = 0;
      worker.fullDiskUntilMs = 0;
      if (!worker.isUp) worker.start();
    }
  }

  // ------------------------------------------------------------------------------------------------------------- checks

  private isFullyServing(): boolean {
    return this.whatIsMissing() === undefined;
  }

  private whatIsMissing(): string | undefined {
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      const configuration = this.master.record.configurations.get(partition);
      if (configuration === undefined) return `partition ${partition} is not created`;
      // The last in-sync disk is gone: more was lost than is promised to survive, and only a person can go on.
      if (this.checker.intactMembers(partition).length === 0) continue;
      const wanted = this.master.workersOf(partition);
      const insync = configuration.insync.map(({ worker }) => worker);
      const at = `partition ${partition} in ${configuration.gen}.${configuration.epoch}`;
      if (wanted.length !== insync.length || !wanted.every((worker) => insync.includes(worker)))
        return `${at} is in sync on ${insync.join(',')}, wanted ${wanted.join(',')}`;
      const leader = this.workers[configuration.primary.worker - 1];
      if (leader?.isUp !== true) return `${at}: its primary is down`;
      const replica = leader.replicas.get(partition);
      if (replica?.mayServe(leader.localMs()) !== true || !replica.probe.reconciled)
        return `${at}: worker ${leader.index} may not serve`;
      if (insync.length < configuration.minInSync) return `${at} has too few replicas`;
    }
    return undefined;
  }

  private checkEqual(): void {
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      this.checker.checkMembers(partition);
      if (this.checker.intactMembers(partition).length === 0) continue;
      const configuration = this.master.record.configurations.get(partition);
      const committed = this.checker.committedSeq(partition);
      let first: string | undefined;
      for (const { worker } of configuration?.insync ?? []) {
        const simulated = this.workers[worker - 1];
        if (simulated === undefined) continue;
        const rows = simulated.disk.rows(partition);
        if (rows.applied.applied !== committed)
          throw new Violation(
            `NOT_APPLIED: ${simulated.name} has applied ${rows.applied.applied} of partition ${partition}, committed is ${committed}`,
          );
        const digest = digestOf(rows);
        first ??= digest;
        if (digest !== first)
          throw new Violation(
            `DIVERGED: replicas of partition ${partition} differ:\n  ${first}\n  ${digest}`,
          );
      }
    }
  }
}
