/**
 * A whole cluster in one process, on virtual time: workers that host the very `Replica` that runs in production, a
 * master with the very `decide`, clients, a network, disks and clocks. One seed decides everything.
 *
 * A run has three parts: a while with faults, then everything is well again and full service must be back within a
 * bound, then the clients stop and the replicas must be equal.
 */
import { InvariantError } from '@diststore/base';
import { TIMINGS } from '@diststore/replication';
import type { Effect, ReplicaEvent, ReplicaOptions, Timing } from '@diststore/replication';

import { Checker } from './checker.js';
import { Faults } from './faults.js';
import { Network } from './network.js';
import { ObservedReplica } from './observed-replica.js';
import type { ReplicaFactory } from './observed-replica.js';
import { Outcome } from './outcome.js';
import type { Profile } from './profile.js';
import { SeededRandom } from './random.js';
import { SimulatedClient } from './simulated-client.js';
import { SimulatedMaster } from './simulated-master.js';
import { SimulatedWorker } from './simulated-worker.js';
import { Violation } from './violation.js';
import { VirtualTime } from './virtual-time.js';
import type { WorkerView } from './worker-view.js';
import type { HostMistake, Tracer, World } from './world.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly profile: Profile;
  readonly factory?: ReplicaFactory;
  readonly masterFactory?: (world: World) => SimulatedMaster;
  readonly mistake?: HostMistake | undefined;
  /** Called for each line of the trace. */
  readonly trace?: (line: string) => void;
  /** Also trace every step. */
  readonly tracer?: Tracer;
}

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

/** Sound by itself, but its lease outlasts the promises of others. */
const STRETCHED: Timing = { ...TIMINGS.fast, leaseMs: 1500, graceMs: 2500, prepareTimeoutMs: 1500 };

/** How long the master stays away after all else is well. */
const AWAY_MS = 2500;
const MASTER_TICK_MS = 100;
/** How often it is looked whether full service is back. */
const LOOK_MS = 100;
/** Service goes on for so long once it is back. */
const SERVICE_MS = 300;
/** By then requests that were under way when the clients stopped have ended, and the last commit points arrived. */
const SETTLE_MS = 2500;

export class Simulation implements World {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly network: Network;
  readonly checker: Checker;
  readonly partitionCount: number;
  readonly workerCount: number;
  readonly workers: SimulatedWorker[] = [];
  readonly master: SimulatedMaster;
  readonly mistake: HostMistake | undefined;
  clientsStopped = false;
  private readonly clients: SimulatedClient[] = [];
  private readonly faults: Faults;
  private readonly outcome: Outcome;
  private steps = 0;
  private recoveredAfterMs = 0;

  constructor(private readonly options: SimulationOptions) {
    const { seed, profile } = options;
    this.random = new SeededRandom(seed);
    this.mistake = options.mistake;
    this.profile = profile;
    this.network = new Network(this.time, this.random, profile);
    this.workerCount = this.inRange(profile.workers);
    this.partitionCount = this.inRange(profile.partitions);
    this.checker = new Checker(this.workers, profile.clocksHold);
    const factory = options.factory ?? ((given: ReplicaOptions) => new ObservedReplica(given));
    const master = options.masterFactory?.(this) ?? new SimulatedMaster(this);
    const { workers } = this;
    const onStopped = (worker: SimulatedWorker): void => this.faults.stopped(worker);
    for (let index = 1; index <= this.workerCount; index += 1) {
      const timing =
        profile.mixedTimings === true ? this.random.pick([TIMINGS.fast, STRETCHED]) : TIMINGS.fast;
      workers.push(new SimulatedWorker(this, { index, timing, factory, master, workers, onStopped }));
    }
    for (let i = 0; i < profile.clients; i += 1) this.clients.push(new SimulatedClient(this, workers, i));
    this.master = master;
    this.faults = new Faults(this, workers, master);
    this.outcome = new Outcome(this, workers, master);
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
    const { profile } = this;
    this.placePartitions();
    this.prepare();
    this.faults.start();
    this.runFor(profile.faultMs);
    this.faults.end();
    if (profile.masterStaysAway === true) {
      this.runFor(AWAY_MS);
      this.outcome.checkWithoutMaster();
      this.master.start(false);
    }
    this.awaitService();
    this.runFor(SERVICE_MS);
    this.clientsStopped = true;
    this.runFor(SETTLE_MS);
    this.awaitApplied();
    this.outcome.checkEqual();
    this.checker.checkHistories();
  }

  /** Somebody may have been admitted a moment ago: in place of a replica that was found to be damaged. */
  private awaitApplied(): void {
    const sinceMs = this.time.nowMs;
    for (;;) {
      const lags = this.outcome.whoLags();
      if (lags === undefined) return;
      if (this.time.nowMs - sinceMs > SETTLE_MS) throw new Violation(`NOT_APPLIED: ${lags}`);
      this.runFor(LOOK_MS);
    }
  }

  private runFor(ms: number): void {
    this.time.runUntil(this.time.nowMs + ms);
  }

  private awaitService(): void {
    const healedMs = this.time.nowMs;
    const { recoveryMs } = this.profile;
    for (;;) {
      const missing = this.outcome.whatIsMissing();
      if (missing === undefined) break;
      if (this.time.nowMs - healedMs > recoveryMs)
        throw new Violation(`NOT_RECOVERED: ${missing} ${recoveryMs} ms after all faults ended`);
      this.runFor(LOOK_MS);
    }
    this.recoveredAfterMs = this.time.nowMs - healedMs;
  }

  private placePartitions(): void {
    const { random, profile } = this;
    const indexes = this.workers.map(({ index }) => index);
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      const factor = Math.min(random.pick(profile.replicationFactors), indexes.length);
      const replicas = random.shuffled(indexes).slice(0, factor);
      this.master.setTarget(partition, replicas, random.pick(replicas));
    }
  }

  /** Starts everything but the faults. */
  prepare(): void {
    for (const worker of this.workers) worker.start();
    for (const client of this.clients) client.start();
    this.everyMasterTick();
  }

  private everyMasterTick(): void {
    this.master.tick();
    this.time.after(MASTER_TICK_MS, () => this.everyMasterTick());
  }

  stepped(worker: WorkerView, partition: number, event: ReplicaEvent, effects: readonly Effect[]): void {
    this.steps += 1;
    this.options.tracer?.(worker, partition, event, effects);
    this.checker.stepped(worker, partition);
  }

  trace(line: () => string): void {
    this.options.trace?.(`${this.time.nowMs.toFixed(1).padStart(9)}  ${line()}`);
  }
}
