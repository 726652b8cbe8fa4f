/**
 * The configuration manager of a simulated cluster: `decide` and `admit` of libs/cluster over a record that survives
 * crashes, and may be restored from an old backup.
 */
import { invariant } from '@diststore/base';
import {
  admit,
  compareVer,
  decide,
  epoch,
  generation,
  incarnation,
  isNewer,
  minInSyncGoal,
  partitionId,
  proposalId,
  workerIndex,
} from '@diststore/cluster';
import type {
  Admission,
  Configuration,
  Decision,
  Generation,
  Member,
  Proposal,
  ReplicaProposal,
  Target,
  WorkerIndex,
  WorkerRegistration,
} from '@diststore/cluster';

import type { Hello, HelloAnswer } from './master-messages.js';
import type { World } from './world.js';

interface MasterRecord {
  gen: Generation;
  configurations: Map<number, Configuration>;
  targets: Map<number, Target>;
  registrations: Map<WorkerIndex, WorkerRegistration>;
  nextNumber: number;
}

const QUIET_MS = 600;
const LIVE_MS = 500;

export class SimulatedMaster {
  isUp = true;
  record: MasterRecord = {
    gen: generation(1),
    configurations: new Map(),
    targets: new Map(),
    registrations: new Map(),
    nextNumber: 1,
  };
  backup: MasterRecord | undefined;
  /** Which of its processes this is. */
  number = 1;
  private startedMs = 0;
  private downSinceMs = 0;
  private isRestored = false;
  private frozen = false;
  private recovery: Generation | undefined;
  private heard = new Map<WorkerIndex, { atMs: number; hello: Hello }>();
  private ids = 0;

  constructor(protected readonly world: World) {}

  crash(): void {
    if (this.isUp) this.downSinceMs = this.world.time.nowMs;
    this.isUp = false;
    this.heard = new Map();
  }

  /** @param restored from the backup, unknown to itself */
  start(restored: boolean): void {
    if (restored && this.backup !== undefined) {
      this.record = copyOf(this.backup);
      this.isRestored = true;
    }
    this.isUp = true;
    this.number += 1;
    this.frozen = false;
    this.recovery = undefined;
    this.startedMs = this.world.time.nowMs;
  }

  /** For how long nobody has been there to hear anything. */
  get awayMs(): number {
    return this.isUp ? 0 : this.world.time.nowMs - this.downSinceMs;
  }

  takeBackup(): void {
    this.backup = copyOf(this.record);
  }

  hello(hello: Hello): HelloAnswer | undefined {
    const nowMs = this.world.time.nowMs;
    const known = this.record.registrations.get(hello.worker);
    const last = this.heard.get(hello.worker);
    const isCurrentLive =
      last !== undefined && nowMs - last.atMs < LIVE_MS && last.hello.store === known?.current.store;
    const admission = this.admit(known, hello, { isCurrentLive, nextNumber: this.record.nextNumber });
    if ('refused' in admission) {
      // Another store while the old one seems alive is only early; a disk that forgot is never let in.
      if (admission.refused === 'index-in-use') return undefined;
      this.world.trace(() => `master: worker ${hello.worker} is refused, its disk was rolled back`);
      return { isRefused: true, configurations: new Map(), targets: new Map(), fence: this.record.gen };
    }
    this.record.nextNumber += 1;
    this.record.registrations.set(hello.worker, admission.registration);
    this.heard.set(hello.worker, { atMs: nowMs, hello });
    for (const [partition, configuration] of hello.known) {
      const ours = this.record.configurations.get(partition);
      if (ours === undefined || isNewer(configuration, ours)) this.frozen = true;
    }
    if (hello.fence > this.record.gen) this.frozen = true;
    if (this.frozen) this.recover();
    const { configurations, targets } = this.record;
    return { isRefused: false, configurations, targets, fence: this.recovery ?? this.record.gen };
  }

  admit(...given: Parameters<typeof admit>): Admission {
    return admit(...given);
  }

  /** What an operator asks for. Undefined: not now. */
  force(partition: number, member: Member, acceptDataLoss: boolean): Decision | undefined {
    if (!this.takesProposals()) return undefined;
    return this.decide({
      partition: partitionId(partition),
      kind: 'force',
      expect: this.record.configurations.get(partition) ?? null,
      by: 'operator',
      proposalId: this.newId(),
      next: { primary: member, insync: [member] },
      acceptDataLoss,
    });
  }

  /** Undefined: not now. */
  propose(proposal: ReplicaProposal): Decision | undefined {
    return this.takesProposals() ? this.decide(proposal) : undefined;
  }

  setTarget(partition: number, replicas: readonly WorkerIndex[], preferredPrimary: WorkerIndex): void {
    const rev = (this.record.targets.get(partition)?.rev ?? 0) + 1;
    this.record.targets.set(partition, { rev, replicas, preferredPrimary });
  }

  /** Creates what is missing once everybody is registered. */
  tick(): void {
    if (!this.isUp || !this.takesProposals()) return;
    const { registrations, configurations, targets } = this.record;
    if (registrations.size < this.world.workerCount) return;
    this.relax();
    for (const [partition, target] of targets) {
      if (configurations.has(partition)) continue;
      const insync: Member[] = target.replicas.map((worker) => ({
        worker,
        store: (registrations.get(worker) as WorkerRegistration).current.store,
        incarnation: incarnation(this.world.random.hex(8)),
      }));
      const primary = insync.find(({ worker }) => worker === target.preferredPrimary) as Member;
      this.decide({
        partition: partitionId(partition),
        kind: 'create',
        expect: null,
        by: 'master',
        proposalId: this.newId(),
        next: { primary, insync },
      });
    }
  }

  /** Asks for no more copies than are wanted. */
  private relax(): void {
    for (const [partition, { minInSync, primary, insync, gen, epoch: at }] of this.record.configurations) {
      const wanted = this.record.targets.get(partition)?.replicas.length ?? 1;
      const goal = minInSyncGoal({
        replicationFactor: wanted,
        registeredWorkers: this.record.registrations.size,
      });
      if (goal >= minInSync) continue;
      this.decide({
        partition: partitionId(partition),
        kind: 'policy',
        expect: { gen, epoch: at },
        by: 'master',
        proposalId: this.newId(),
        next: { primary, insync, minInSync: goal },
      });
    }
  }

  protected decide(proposal: Proposal): Decision {
    const stored = this.record.configurations.get(proposal.partition);
    const target = this.record.targets.get(proposal.partition);
    const decision = decide(stored, proposal, {
      gen: this.record.gen,
      registered: new Map(
        [...this.record.registrations].map(([worker, { current }]) => [worker, current.store]),
      ),
      target,
      minInSyncGoal: minInSyncGoal({
        replicationFactor: target?.replicas.length ?? 1,
        registeredWorkers: this.record.registrations.size,
      }),
    });
    if (decision.answer === 'accepted') {
      this.record.configurations.set(proposal.partition, decision.configuration);
      this.configured(decision.configuration, proposal.partition);
      this.world.checker.configured(proposal.partition, decision.configuration);
    }
    return decision;
  }

  private configured({ gen, epoch: at, insync, primary, kind }: Configuration, partition: number): void {
    this.world.trace(
      () =>
        `master: partition ${partition} is ${gen}.${at} by ${kind}: primary ${primary.worker}, in sync ${insync.map(({ worker }) => worker).join(',')}`,
    );
  }

  private newId(): ReturnType<typeof proposalId> {
    this.ids += 1;
    return proposalId(`master-${this.ids}-${this.world.random.hex(8)}`);
  }

  /** Not while its own data may be older than the cluster's. */
  takesProposals(): boolean {
    if (!this.isUp || this.frozen) return false;
    if (this.heard.size >= this.world.workerCount) return true;
    return !this.isRestored && this.world.time.nowMs - this.startedMs >= QUIET_MS;
  }

  /**
   * Rebuilds from what the workers know, once every one of them has answered and refuses what was before. Until then
   * the cluster runs on without changes.
   */
  private recover(): void {
    let decided = this.record.gen as number;
    let fence = 0;
    for (const { hello } of this.heard.values()) {
      fence = Math.max(fence, hello.fence);
      for (const configuration of hello.known.values()) decided = Math.max(decided, configuration.gen);
    }
    // A generation in which an earlier recovery has decided is no generation for another one.
    if (this.recovery === undefined || this.recovery < fence || this.recovery <= decided)
      this.recovery = generation(Math.max(fence, decided) + 1);
    const { recovery } = this;
    const answered = [...this.heard.values()].filter(({ hello }) => hello.fence === recovery);
    if (!this.isEnoughToRecover(answered.length)) return;
    const newest = new Map(this.record.configurations);
    for (const { hello } of answered) {
      for (const [partition, configuration] of hello.known) {
        const best = newest.get(partition);
        if (best === undefined || compareVer(configuration, best) > 0) newest.set(partition, configuration);
      }
    }
    this.record.gen = recovery;
    for (const [partition, configuration] of newest) {
      const { primary, insync, minInSync, eligible, gen: baseGen, epoch: baseEpoch } = configuration;
      const decision = this.decide({
        partition: partitionId(partition),
        kind: 'recover',
        expect: this.record.configurations.get(partition) ?? null,
        by: 'master',
        proposalId: this.newId(),
        gen: recovery,
        base: { gen: baseGen, epoch: epoch(baseEpoch) },
        next: { primary, insync, minInSync, eligible },
      });
      invariant(decision.answer === 'accepted', 'a recovery is accepted', { decision });
    }
    this.frozen = false;
    this.isRestored = false;
    this.recovery = undefined;
  }

  /** All of them: the newest configuration may be known to one worker alone. */
  protected isEnoughToRecover(answered: number): boolean {
    return answered >= this.world.workerCount;
  }

  workersOf(partition: number): WorkerIndex[] {
    return this.record.targets.get(partition)?.replicas.map((worker) => workerIndex(worker)) ?? [];
  }
}

function copyOf(record: MasterRecord): MasterRecord {
  return {
    gen: record.gen,
    configurations: new Map(record.configurations),
    targets: new Map(record.targets),
    registrations: new Map(record.registrations),
    nextNumber: record.nextNumber,
  };
}
