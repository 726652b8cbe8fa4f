/**
 * Workers that leave the cluster, at an operator's wish.
 *
 *     active ──drain──► draining ──nothing is in sync on it, and it is to leave──► stopped, removed
 *        ▲                 │                                                             ▲
 *        └─────stay────────┘            force: at once, whatever is on it ──────────────┘
 *
 * Draining needs nothing but the decision: placement counts no draining worker, so the reconciler moves its replicas
 * away, and this class only looks whether they are gone. The wish is durable, and a new master goes on with it.
 *
 * A removed worker keeps its disk. Started again, it joins as any worker does; what it held while it was removed by
 * force is there again, if nobody has taken its place.
 */
import { StoreError } from '@diststore/base';
import type { Configuration, PartitionId, Worker, WorkerIndex } from '@diststore/cluster';
import { memberOf, workerIndex } from '@diststore/cluster';
import type { Log } from '@diststore/process';

import type { ClusterState } from '../cluster/cluster-state.js';
import type { WorkerRegistry } from '../registry/worker-registry.js';

export interface DepartureView {
  readonly worker: number;
  readonly state: Worker['state'];
  /** Whether it is stopped and removed when it is drained. */
  readonly leaving: boolean;
  /** Partitions that are still in sync on it, and those of them that it leads. */
  readonly replicas: number;
  readonly primaries: number;
}

export class Departures {
  constructor(
    private readonly state: ClusterState,
    private readonly registry: WorkerRegistry,
    /** Stops a worker that this master started, and starts it no more; nothing happens to any other. */
    private readonly stopWorker: (index: number) => Promise<void>,
    private readonly log: Log,
  ) {}

  /**
   * Begins to move everything off a worker. Durable when it resolves; may be called again at any time.
   * @param leave whether it is to be stopped and removed afterwards.
   * @throws StoreError worker-not-found; bad-parameter: there is nowhere to move it to.
   */
  async drain(index: number, leave: boolean): Promise<DepartureView> {
    const worker = this.workerAt(index);
    if (worker.state === 'removed') return this.view(index);
    this.requireAlternative(worker);
    const { leaving } = this.state.member(index) ?? { leaving: false };
    await this.registry.setState(index, 'draining', leave || leaving);
    return this.view(index);
  }

  /** Takes a drain back. @throws StoreError worker-not-found */
  async stay(index: number): Promise<DepartureView> {
    if (this.workerAt(index).state === 'draining') await this.registry.setState(index, 'active', false);
    return this.view(index);
  }

  /**
   * Stops and removes a worker at once. Partitions that only it holds are down until it is started again.
   * @throws StoreError worker-not-found
   */
  async remove(index: number): Promise<DepartureView> {
    const worker = this.workerAt(index);
    if (worker.state !== 'removed') {
      const only = this.remainingOn(worker.index).filter(
        (partition) => this.state.map.configurationOf(partition)?.insync.length === 1,
      );
      await this.registry.setState(index, 'removed', false);
      this.log.warn(`Worker ${index} is removed by force; ${only.length} partitions were on it alone`);
    }
    // Also when it is removed already: an earlier master may have ended in between.
    await this.stopWorker(index);
    return this.view(index);
  }

  /** Removes who is drained. To be called now and then. */
  async removeDrained(): Promise<void> {
    for (const { index, leaving } of this.state.memberRows()) {
      if (!leaving || !this.isDrained(index)) continue;
      await this.stopWorker(index);
      // It may have been told to stay while it was stopped.
      if (this.state.member(index)?.leaving !== true || !this.isDrained(index)) continue;
      await this.registry.setState(index, 'removed', false);
      this.log.log(`Worker ${index} was drained and has left the cluster`);
    }
  }

  /** @throws StoreError worker-not-found */
  view(index: number): DepartureView {
    const { index: worker, state } = this.workerAt(index);
    const remaining = this.remainingOn(worker);
    return {
      worker: index,
      state,
      leaving: this.state.member(index)?.leaving ?? false,
      replicas: remaining.length,
      primaries: remaining.filter((partition) => this.state.map.primaryOf(partition)?.worker === worker)
        .length,
    };
  }

  private workerAt(index: number): Worker {
    const worker = this.state.map.worker(workerIndex(index));
    if (worker === undefined) throw new StoreError('worker-not-found', `Worker ${index} is not known.`);
    return worker;
  }

  private isDrained(index: number): boolean {
    const { index: worker, state } = this.workerAt(index);
    if (state !== 'draining') return false;
    // A partition that nobody can copy keeps its target, and is planned anew when somebody comes back.
    const isMeant = this.state.map
      .partitionRecords()
      .some(
        ({ target, configuration }) => target?.replicas.includes(worker) && this.canBeCopied(configuration),
      );
    return !isMeant && this.remainingOn(worker).length === 0;
  }

  private canBeCopied(configuration: Configuration | null): boolean {
    const { map } = this.state;
    return configuration?.insync.some(({ worker }) => map.worker(worker)?.presence === 'up') ?? false;
  }

  private remainingOn(worker: WorkerIndex): PartitionId[] {
    return this.state.map
      .partitionRecords()
      .filter(
        ({ configuration }) => configuration !== null && memberOf(configuration.insync, worker) !== undefined,
      )
      .map(({ partition }) => partition);
  }

  private requireAlternative({ index }: Worker): void {
    const { map } = this.state;
    const facts = { parameter: 'force', worker: index };
    if (map.settings.placement === 'local') {
      const detail = `A value stays with the worker that was asked, so worker ${index} cannot be drained. With force=true it is stopped with what it holds.`;
      throw new StoreError('bad-parameter', detail, { facts });
    }
    const isOther = ({ index: other, state, presence }: Worker): boolean =>
      other !== index && state === 'active' && presence === 'up';
    if (map.workers().some(isOther)) return;
    const detail = `No other worker is there to take what worker ${index} holds. Create one, or use force=true.`;
    throw new StoreError('bad-parameter', detail, { facts });
  }
}
