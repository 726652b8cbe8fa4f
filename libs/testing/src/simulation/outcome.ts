/** What must hold at the end of a run: full service is back, and the replicas are equal. */
import { digestOf } from './simulated-disk.js';
import type { SimulatedMaster } from './simulated-master.js';
import type { SimulatedWorker } from './simulated-worker.js';
import { Violation } from './violation.js';
import type { World } from './world.js';

export class Outcome {
  constructor(
    private readonly world: World,
    private readonly workers: readonly SimulatedWorker[],
    private readonly master: SimulatedMaster,
  ) {}

  /** What keeps the cluster from full service; undefined: nothing. */
  whatIsMissing(): string | undefined {
    for (let partition = 0; partition < this.world.partitionCount; partition += 1) {
      const missing = this.whatIsMissingIn(partition);
      if (missing !== undefined) return missing;
    }
    return undefined;
  }

  private whatIsMissingIn(partition: number): string | undefined {
    const configuration = this.master.record.configurations.get(partition);
    if (configuration === undefined) return `partition ${partition} is not created`;
    // The last in-sync disk is gone: more was lost than is promised to survive, and only a person can go on.
    if (this.world.checker.intactMembers(partition).length === 0) return undefined;
    const wanted = this.master.workersOf(partition);
    const insync = configuration.insync.map(({ worker }) => worker);
    const at = `partition ${partition} in ${configuration.gen}.${configuration.epoch}`;
    if (wanted.length !== insync.length || !wanted.every((worker) => insync.includes(worker)))
      return `${at} is in sync on ${insync.join(',')}, wanted ${wanted.join(',')}`;
    const leader = this.workers[configuration.primary.worker - 1];
    if (leader?.isUp !== true) return `${at}: its primary is down`;
    const replica = leader.replicas.get(partition);
    if (!leader.mayServe(partition) || replica?.probe.reconciled !== true)
      return `${at}: worker ${leader.index} may not serve`;
    if (insync.length < configuration.minInSync) return `${at} has too few replicas`;
    return undefined;
  }

  /**
   * With the master gone and every member of a partition well, the partition serves: whatever was proposed meanwhile
   * and not answered.
   */
  checkWithoutMaster(): void {
    for (const [partition, configuration] of this.master.record.configurations) {
      const leader = this.workers[configuration.primary.worker - 1];
      const replica = leader?.replicas.get(partition);
      // A change that was accepted and that nobody heard of needs the master; so does one that was under way.
      const isSettled = configuration.insync.every(({ worker }) => {
        const seen = this.workers[worker - 1]?.replicas.get(partition)?.status.configuration;
        return seen?.epoch === configuration.epoch && seen.gen === configuration.gen;
      });
      // One whose admission is proposed counts as well, and may have turned out to be damaged.
      const isSilent = this.workers.some((worker) => worker.isSilent(partition));
      if (leader === undefined || replica?.probe.role !== 'primary' || !isSettled || isSilent) continue;
      if (!leader.mayServe(partition))
        throw new Violation(
          `FROZEN: ${leader.name} may not serve partition ${partition}, though all its members are well; the master is away`,
        );
      if (replica.probe.leaving)
        throw new Violation(
          `FROZEN: ${leader.name} takes no writes of partition ${partition}, though nobody can take over; the master is away`,
        );
    }
  }

  /** Which in-sync replica has not applied all that is committed. */
  whoLags(): string | undefined {
    const { checker } = this.world;
    for (const [partition, members] of this.heldBy()) {
      const committed = checker.committedSeq(partition);
      const lagging = members.find(({ disk }) => disk.rows(partition).applied.applied !== committed);
      if (lagging === undefined) continue;
      const { applied } = lagging.disk.rows(partition).applied;
      return `${lagging.name} has applied ${applied} of partition ${partition}, committed is ${committed}`;
    }
    return undefined;
  }

  /** All in-sync replicas hold the same. */
  checkEqual(): void {
    const { checker, partitionCount } = this.world;
    for (let partition = 0; partition < partitionCount; partition += 1) checker.checkMembers(partition);
    for (const [partition, members] of this.heldBy()) {
      const [first, ...others] = members.map(({ disk }) => digestOf(disk.rows(partition)));
      for (const other of others)
        if (other !== first)
          throw new Violation(`DIVERGED: replicas of partition ${partition} differ:\n  ${first}\n  ${other}`);
    }
  }

  /** Who is in sync, partition by partition, but for those that were lost. */
  private heldBy(): [partition: number, members: SimulatedWorker[]][] {
    const held: [number, SimulatedWorker[]][] = [];
    for (let partition = 0; partition < this.world.partitionCount; partition += 1) {
      if (this.world.checker.intactMembers(partition).length === 0) continue;
      const { insync } = this.master.record.configurations.get(partition) ?? { insync: [] };
      held.push([partition, insync.flatMap(({ worker }) => this.workers[worker - 1] ?? [])]);
    }
    return held;
  }
}
