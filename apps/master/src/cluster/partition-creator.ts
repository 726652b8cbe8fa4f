/**
 * Creates partitions: under `hashed` all of them, once, when as many workers have come as the cluster was told to
 * expect; under `local` one for each worker.
 *
 * A partition is created empty, so whoever holds it holds everything there is. What was begun before a crash of the
 * master is taken up again: targets and configurations are written together, and those that exist stay.
 */
import { randomBytes } from 'node:crypto';

import { invariant } from '@diststore/base';
import type {
  ClusterMap,
  Configuration,
  PartitionId,
  StoreId,
  Target,
  Worker,
  WorkerIndex,
} from '@diststore/cluster';
import {
  decide,
  incarnation,
  localOwnerOf,
  minInSyncGoal,
  planTargets,
  proposalId,
} from '@diststore/cluster';
import type { Log } from '@diststore/process';

import type { ClusterState } from './cluster-state.js';

export class PartitionCreator {
  /** One pass at a time: the second plans on what the first has created. */
  private passes: Promise<void> = Promise.resolve();
  /** Workers that were here when it was last said that more are waited for. */
  private reportedCount: number | undefined;

  constructor(
    private readonly state: ClusterState,
    private readonly log: Log,
    /** Workers to wait for before partitions are spread over them. */
    private readonly bootstrapExpect: number,
    /** Why nothing is created at present, if so: what looks absent may only be unknown to this master. */
    private readonly refusal: () => string | undefined,
  ) {}

  /** Creates what can be created by now. To be called when a worker has registered, and now and then. */
  run(): Promise<void> {
    const pass = this.passes.then(() => this.createMissing());
    this.passes = pass.catch(() => undefined);
    return pass;
  }

  private async createMissing(): Promise<void> {
    const { map } = this.state;
    if (map.formed || this.refusal() !== undefined) return;
    const workers = map.workers().filter(({ state, presence }) => state === 'active' && presence === 'up');
    if (map.settings.placement === 'hashed' && workers.length < this.bootstrapExpect) {
      this.reportWaiting(workers.length);
      return;
    }
    const created = missingPartitions(map, workers).map(({ partition, target }) => {
      return { partition, target, configuration: create(this.state, partition, target, workers) };
    });
    if (created.length > 0) await this.state.create(created);
    if (map.settings.placement === 'local') return;
    // Also when there was nothing to create: an earlier master may have ended just before it said so.
    await this.state.markFormed();
    this.log.log(
      `Created ${created.length} partitions on ${workers.length} worker(s); the cluster is formed`,
    );
  }

  private reportWaiting(count: number): void {
    if (count === this.reportedCount) return;
    this.reportedCount = count;
    this.log.log(
      `Waiting for workers to spread the partitions over: ${count} of ${this.bootstrapExpect} are here`,
    );
  }
}

/** Those without a configuration, each with where it should be. */
function missingPartitions(
  map: ClusterMap,
  workers: readonly Worker[],
): { partition: PartitionId; target: Target }[] {
  const missing: { partition: PartitionId; target: Target }[] = [];
  for (const { partition, target } of planTargets(map, workers)) {
    if (map.configurationOf(partition) === undefined) missing.push({ partition, target });
  }
  return missing;
}

function create(
  { map, generation }: Pick<ClusterState, 'map' | 'generation'>,
  partition: PartitionId,
  target: Target,
  workers: readonly Worker[],
): Configuration {
  const { settings } = map;
  const registered = new Map<WorkerIndex, StoreId>(workers.map(({ index, store }) => [index, store]));
  const insync = target.replicas.map((worker) => {
    const store = registered.get(worker);
    invariant(store !== undefined, 'a target names registered workers', { worker });
    return { worker, store, incarnation: incarnation(randomBytes(8).toString('hex')) };
  });
  const primary = insync.find(({ worker }) => worker === target.preferredPrimary);
  invariant(primary !== undefined, 'the preferred primary is one of the replicas', { partition });
  const decision = decide(
    undefined,
    {
      kind: 'create',
      partition,
      expect: null,
      proposalId: proposalId(randomBytes(16).toString('hex')),
      by: 'master',
      next: { primary, insync },
    },
    {
      gen: generation,
      registered,
      target,
      owner: settings.placement === 'local' ? localOwnerOf(partition) : undefined,
      minInSyncGoal: minInSyncGoal({
        replicationFactor: settings.placement === 'hashed' ? settings.replicationFactor : 1,
        registeredWorkers: workers.length,
      }),
    },
  );
  invariant(decision.answer === 'accepted', 'what the master plans is legal', { partition, decision });
  return decision.configuration;
}
