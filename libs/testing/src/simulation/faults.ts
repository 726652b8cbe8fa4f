/**
 * What goes wrong, and when. Faults are chosen by the profile's weights and the seed's dice. None destroys more than
 * the product promises to survive: the last intact in-sync disk of a partition is left alone.
 */
import { hasMember, memberOf } from '@diststore/cluster';
import type { WorkerIndex } from '@diststore/cluster';
import { TIMINGS } from '@diststore/replication';

import type { FaultKind } from './profile.js';
import type { SimulatedMaster } from './simulated-master.js';
import type { SimulatedWorker } from './simulated-worker.js';
import { Violation } from './violation.js';
import type { World } from './world.js';

/** When the first fault comes: by then the partitions are created. */
const FIRST_MS = 700;
/** How long a worker that is asked to stop may take to pass its work on. */
const STOP_MS = 1500;
/** By then a cluster that was stopped is at work again. */
const STARTED_MS = 1500;

export class Faults {
  private over = false;
  private isStopping = false;

  constructor(
    private readonly world: World,
    private readonly workers: readonly SimulatedWorker[],
    private readonly master: SimulatedMaster,
  ) {}

  start(): void {
    const { time, random, profile } = this.world;
    time.after(FIRST_MS, () => this.next());
    if (profile.masterStaysAway === true) time.after(random.between(1500, 3000), () => this.master.crash());
  }

  /** Everything is well again, but for a master that stays away. */
  end(): void {
    const { time, profile, network } = this.world;
    this.world.trace(() => 'all faults end');
    this.over = true;
    network.heal();
    if (profile.masterStaysAway !== true && !this.master.isUp) this.master.start(false);
    for (const worker of this.workers) {
      worker.life.pausedUntilMs = Math.min(worker.life.pausedUntilMs, time.nowMs + 1);
      worker.commits.slowUntilMs = 0;
      worker.requests.fullDiskUntilMs = 0;
      if (worker.timing !== TIMINGS.fast) {
        worker.crash();
        worker.timing = TIMINGS.fast;
      }
      if (!worker.isUp) worker.start();
    }
  }

  private next(): void {
    if (this.over) return;
    const { random, profile, time } = this.world;
    const kinds = Object.entries(profile.faults) as [FaultKind, number][];
    let dice = random.unit() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of kinds) {
      dice -= weight;
      if (dice >= 0) continue;
      this.inject(kind);
      break;
    }
    time.after(-Math.log(1 - random.unit()) * profile.faultEveryMs, () => this.next());
  }

  private inject(kind: FaultKind): void {
    const { random, time } = this.world;
    const worker = random.pick(this.workers);
    const untilMs = time.nowMs + random.between(50, random.chance(0.5) ? 600 : 2500);
    const partition = random.below(this.world.partitionCount);
    switch (kind) {
      case 'crash':
        this.restartLater(worker, untilMs);
        return;
      case 'crashAll':
        for (const each of this.workers) this.restartLater(each, untilMs + random.between(0, 500));
        return;
      case 'planned':
        this.stop(worker);
        return;
      case 'pause':
        this.world.trace(() => `${worker.name} is paused until ${untilMs.toFixed(0)}`);
        worker.life.pausedUntilMs = Math.max(worker.life.pausedUntilMs, untilMs);
        return;
      case 'cutOneWay':
      case 'cutBoth':
        this.cut(worker, random.pick(this.workers), kind === 'cutBoth', untilMs);
        return;
      case 'isolate':
        this.isolate(worker, untilMs);
        return;
      case 'cutMaster':
        this.world.trace(() => `${worker.name} is cut off from the master until ${untilMs.toFixed(0)}`);
        if (random.chance(0.7)) this.world.network.cut(worker.index, 0, untilMs);
        if (random.chance(0.7)) this.world.network.cut(0, worker.index, untilMs);
        return;
      case 'masterCrash':
      case 'masterRestore':
        this.crashMaster(untilMs, kind === 'masterRestore');
        return;
      case 'slowDisk':
        this.world.trace(() => `the disk of ${worker.name} is slow until ${untilMs.toFixed(0)}`);
        worker.commits.slowUntilMs = untilMs;
        return;
      case 'fullDisk':
        worker.requests.fullDiskUntilMs = untilMs;
        return;
      case 'wipe':
        this.wipe(worker, untilMs);
        return;
      case 'corrupt':
        this.corrupt(worker, partition, untilMs);
        return;
      case 'damage':
        this.damage(worker, partition);
        return;
      case 'move':
        this.move(partition);
        return;
      case 'handover':
        worker.handover(partition);
        return;
      case 'suspend':
        this.world.trace(() => `${worker.name} is suspended until ${untilMs.toFixed(0)}`);
        worker.life.suspend(untilMs);
        return;
      case 'stopAll':
        this.stopAll();
        return;
      case 'rollBack':
        this.rollBack(worker, untilMs);
        return;
      case 'force':
        this.force(partition, untilMs);
        return;
      case 'grow':
        this.grow(partition);
        return;
    }
  }

  // ---------------------------------------------------------------------------------------------------------- processes

  private restartLater(worker: SimulatedWorker, atMs: number): void {
    if (!worker.isUp) return;
    worker.crash();
    this.world.time.at(atMs, () => {
      if (!worker.isUp) worker.start();
    });
  }

  private stop(worker: SimulatedWorker): void {
    const { time } = this.world;
    if (!worker.isUp || worker.life.pausedUntilMs > time.nowMs) return;
    this.world.trace(() => `${worker.name} is asked to stop`);
    worker.shutdown();
    time.after(STOP_MS, () => {
      if (worker.stopping) this.stopped(worker);
    });
  }

  /** A planned stop has come to its end. */
  stopped(worker: SimulatedWorker): void {
    if (!worker.isUp) return;
    this.world.trace(() => `${worker.name} stops as planned`);
    this.restartLater(worker, this.world.time.nowMs + this.world.random.between(20, 800));
  }

  /** The whole cluster is stopped on purpose and started again: nobody hands over, nobody leaves. */
  private stopAll(): void {
    const { time, random } = this.world;
    if (this.isStopping || this.workers.some(({ isUp }) => !isUp)) return;
    this.isStopping = true;
    this.world.trace(() => 'the cluster is stopped');
    const before = this.settledMembers();
    const takesLeave = this.world.mistake === 'leavesWhenAllStop';
    if (takesLeave) for (const worker of this.workers) worker.shutdown();
    time.after(takesLeave ? 300 : 0, () => {
      for (const worker of this.workers) worker.crash(true);
      this.master.crash();
      this.checkNobodyLeft(before);
      time.after(random.between(50, 2000), () => {
        this.master.start(false);
        for (const worker of this.workers)
          time.after(random.between(0, 250), () => {
            if (!worker.isUp) worker.start();
          });
        time.after(STARTED_MS, () => {
          this.isStopping = false;
          this.checkNobodyLeft(before);
        });
      });
    });
  }

  /** Of partitions where all is as it should be. */
  private settledMembers(): ReadonlyMap<number, readonly WorkerIndex[]> {
    const settled = new Map<number, readonly WorkerIndex[]>();
    for (const [partition, { insync }] of this.master.record.configurations) {
      const wanted = this.master.workersOf(partition);
      const workers = insync.map(({ worker }) => worker);
      if (wanted.length === workers.length && wanted.every((each) => workers.includes(each)))
        settled.set(partition, workers);
    }
    return settled;
  }

  private checkNobodyLeft(before: ReadonlyMap<number, readonly WorkerIndex[]>): void {
    for (const [partition, workers] of before) {
      const insync = this.master.record.configurations.get(partition)?.insync ?? [];
      if (!workers.every((worker) => memberOf(insync, worker) !== undefined))
        throw new Violation(
          `SHRUNK: partition ${partition} was in sync on ${workers.join(',')} when the cluster was stopped, now on ${insync.map(({ worker }) => worker).join(',')}`,
        );
    }
  }

  private crashMaster(untilMs: number, restored: boolean): void {
    const { master } = this;
    if (!master.isUp) return;
    if (!restored && this.world.random.chance(0.5)) master.takeBackup();
    this.world.trace(() => `the master crashes${restored ? ', an old backup is restored' : ''}`);
    master.crash();
    this.world.time.at(untilMs, () => {
      if (!master.isUp) master.start(restored);
    });
  }

  // ------------------------------------------------------------------------------------------------------- connections

  private cut(worker: SimulatedWorker, other: SimulatedWorker, isBothWays: boolean, untilMs: number): void {
    if (other === worker) return;
    const way = isBothWays ? '<->' : '->';
    this.world.trace(() => `cut ${worker.index} ${way} ${other.index} until ${untilMs.toFixed(0)}`);
    this.world.network.cut(worker.index, other.index, untilMs);
    if (isBothWays) this.world.network.cut(other.index, worker.index, untilMs);
  }

  private isolate(worker: SimulatedWorker, untilMs: number): void {
    const { network, random } = this.world;
    this.world.trace(() => `${worker.name} is cut off until ${untilMs.toFixed(0)}`);
    for (const other of this.workers) network.cutBoth(worker.index, other.index, untilMs);
    if (random.chance(0.5)) network.cutBoth(worker.index, 0, untilMs);
  }

  // -------------------------------------------------------------------------------------------------------------- disks

  /** Whether every partition keeps an intact in-sync member without this worker's disk. */
  private isSpare(worker: SimulatedWorker): boolean {
    for (let partition = 0; partition < this.world.partitionCount; partition += 1) {
      const intact = this.world.checker
        .intactMembers(partition)
        .filter(({ disk }) => disk.rows(partition).unreadable.size === 0);
      if (intact.length > 0 && intact.every((other) => other === worker)) return false;
    }
    return true;
  }

  private wipe(worker: SimulatedWorker, untilMs: number): void {
    // A restored backup and a lost disk at once are more than what is promised to survive.
    if (this.world.profile.faults.masterRestore !== undefined || !this.isSpare(worker)) return;
    this.restartLater(worker, Math.max(untilMs, this.world.time.nowMs + 700));
    if (!worker.isUp) worker.wipe();
  }

  private corrupt(worker: SimulatedWorker, partition: number, untilMs: number): void {
    if (!this.isSpare(worker)) return;
    this.restartLater(worker, untilMs);
    if (worker.corrupt(partition))
      this.world.trace(() => `the log of partition ${partition} on ${worker.name} is damaged`);
  }

  /** One replica of a partition at a time: what no replica has sound cannot be copied. */
  private damage(worker: SimulatedWorker, partition: number): void {
    if (!this.isSpare(worker) || this.workers.some((other) => !other.isReadable(partition))) return;
    if (worker.damageRecord(partition))
      this.world.trace(() => `a record of partition ${partition} on ${worker.name} is damaged`);
  }

  /** The machine is set back to an earlier image, if there is one; otherwise one is taken. */
  private rollBack(worker: SimulatedWorker, untilMs: number): void {
    if (!worker.isUp) return;
    const { imageBoot } = worker;
    if (imageBoot === undefined) {
      worker.takeImage();
      return;
    }
    // If the master has heard of no later boot, this cannot be told from a crash: nobody can notice.
    const { current } = this.master.record.registrations.get(worker.index) ?? {};
    const isNoticeable = current?.store === worker.store && current.maxBoot > imageBoot;
    if (!isNoticeable || !this.isSpare(worker)) return;
    this.restartLater(worker, untilMs);
    worker.rollBack();
  }

  // ----------------------------------------------------------------------------------------------------------- operator

  /**
   * An operator gives up the in-sync members of a partition, all of them stopped, and names another replica. One that
   * is eligible holds every acknowledged write; for another one, loss must be accepted.
   */
  private force(partition: number, untilMs: number): void {
    const configuration = this.master.record.configurations.get(partition);
    if (configuration === undefined || !this.master.isUp) return;
    const { insync, eligible } = configuration;
    const candidates = this.workers
      .filter(({ isUp, life }) => isUp && life.pausedUntilMs <= this.world.time.nowMs)
      .map((worker) => ({ worker, replica: worker.replicas.get(partition) }))
      .filter(({ worker, replica }) => {
        const { installed } = worker.disk.rows(partition);
        // One that was given up before must come back as a learner first.
        if (this.world.checker.isGivenUp(partition, worker)) return false;
        if (replica === undefined || installed?.state !== 'ok' || replica.status.state !== 'ok') return false;
        // Nothing of it is still on its way to the disk: what is given up can be told.
        return worker.disk.lastSeq(partition) === replica.status.last;
      });
    const isKept = ({ replica }: (typeof candidates)[number]): boolean =>
      replica !== undefined && (hasMember(eligible, replica.self) || hasMember(insync, replica.self));
    const kept = candidates.filter(isKept);
    const chosen = this.world.random.pick(kept.length > 0 ? kept : [...candidates, undefined]);
    if (chosen?.replica === undefined) return;
    const { worker, replica } = chosen;
    const isEligible = isKept(chosen);
    for (const member of insync) {
      const other = this.workers[member.worker - 1];
      if (other === undefined || other === worker) continue;
      // One that served alone could go on at once: it is replaced before it comes back.
      const isSole = other.isSole(partition);
      this.restartLater(other, untilMs);
      if (isSole && !other.isUp) other.wipe();
    }
    if (!isEligible) {
      const careless = this.master.force(partition, replica.self, false);
      if (careless?.answer === 'accepted')
        throw new Violation(`FORCED: ${worker.name} may lack acknowledged writes, and was taken unasked`);
    }
    this.world.trace(() => `an operator names ${worker.name} for partition ${partition}`);
    const decision = this.master.force(partition, replica.self, !isEligible);
    if (decision?.answer === 'accepted')
      this.world.checker.forced(partition, worker, decision.configuration, isEligible);
  }

  // ---------------------------------------------------------------------------------------------------------- placement

  /** From one replica to three and back, around where it is. */
  private grow(partition: number): void {
    const { random } = this.world;
    const primary = this.master.record.configurations.get(partition)?.primary.worker;
    if (primary === undefined) return;
    const others = this.workers.map(({ index }) => index).filter((index) => index !== primary);
    const isAlone = this.master.workersOf(partition).length === 1;
    const replicas = [primary, ...(isAlone ? random.shuffled(others).slice(0, 2) : [])];
    this.world.trace(() => `partition ${partition} shall be on ${replicas.join(',')}`);
    this.master.setTarget(partition, replicas, primary);
  }

  private move(partition: number): void {
    const { random } = this.world;
    const indexes = this.workers.map(({ index }) => index);
    const current = this.master.workersOf(partition);
    const count = random.chance(0.3)
      ? 1 + random.below(Math.min(3, indexes.length))
      : Math.min(current.length, indexes.length);
    const replicas = random.shuffled(indexes).slice(0, count);
    this.world.trace(() => `partition ${partition} shall be on ${replicas.join(',')}`);
    this.master.setTarget(partition, replicas, random.pick(replicas));
  }
}
