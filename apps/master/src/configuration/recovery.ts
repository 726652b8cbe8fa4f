/**
 * Whether this master may trust its own data, and how it gets it back when it may not.
 *
 *     starting ──all registered workers have reported, or startupQuietMs──► serving
 *         └────────────── a report is newer than the data ─────────────┬──────┘
 *                                                                      ▼
 *     serving ◄── everything rebuilt, in a new generation ◄── all have answered ── frozen
 *
 * The danger: a master that was restored from an old backup may take a replica for in sync that was removed since. If
 * it then let that replica be promoted, acknowledged writes would be lost. So every worker reports what it knows
 * (report.ts of libs/cluster), and one report that is ahead of the data freezes the manager: the map is served as it
 * is, the healthy partitions go on, and no proposal is taken.
 *
 * Recovery gives out a generation above every known one. A worker that hears it makes it durable, refuses
 * configurations of older generations from then on, and only then answers with the configurations that it has. When
 * every store that counts has answered so, nothing newer can come into being behind our back, and the newest
 * configuration of each partition, whoever reported it, is the state of the cluster. It is stored under the new
 * generation. Who counts: every registered store, and every store that a configuration names. An operator may declare
 * some of them lost; what only they knew is lost with them, which is said beforehand.
 *
 * A master with an empty directory that was told to take over a cluster begins frozen, and besides waits until every
 * partition was reported by somebody: each of them exists, and one that nobody has told of yet must not be taken for
 * one that never was. Every store that the newest configurations name has to answer here too, so the argument is the
 * same: whoever could have decided anything newer is among them.
 *
 * Rebuilding from some of the reports is unsafe: the model of the protocol loses writes with two of three.
 *
 * This detects, it does not prove: data restored to a state that no living worker knows better than, and a backup
 * older than the registration of every worker that knows better, look like good data.
 *
 * Invariants: `fence` never falls; nothing is decided while `refusal()` gives a reason; the new generation is stored
 * after all configurations of it (cluster-state.ts), so a crash in between is found at the next start.
 *
 * Source: section 9.5 of the replication protocol; Pegasus rebuilds its map from replica servers in the same way.
 */
import { randomBytes } from 'node:crypto';

import { type Clock, invariant, StoreError } from '@diststore/base';
import type {
  Configuration,
  Generation,
  MasterStart,
  PartitionId,
  Report,
  StoreId,
  Target,
  TargetChange,
  WorkerIndex,
} from '@diststore/cluster';
import {
  compareVer,
  decide,
  generation,
  isNewer,
  problemOfConfiguration,
  proposalId,
  sameConfiguration,
} from '@diststore/cluster';
import type { Log } from '@diststore/process';

import type { ClusterState } from '../cluster/cluster-state.js';

export interface RecoveryOptions {
  /** This process. */
  readonly master: MasterStart;
  /** After a start without word from everybody. */
  readonly startupQuietMs: number;
}

export interface Alarm {
  /** Why the data is not trusted, in words. */
  readonly reason: string;
  /** Wall clock of this master. */
  readonly sinceMs: number;
  /** The generation that the workers are moved to. */
  readonly nextGeneration: Generation;
  /** Workers whose answer is waited for. */
  readonly awaiting: readonly WorkerIndex[];
  /** Partitions of a cluster that is taken over of which nobody has told yet. */
  readonly unreported: number;
}

export interface RecoveryStatus {
  readonly state: 'starting' | 'serving' | 'frozen';
  readonly generation: Generation;
  readonly alarm: Alarm | null;
}

/** Targets of a rebuilt generation begin above those of every earlier one, whose last revisions nobody knows. */
const TARGET_REVISIONS_PER_GENERATION = 2 ** 32;

export class Recovery {
  private readonly startedMs: number;
  /** Workers whose registered process has reported to this one. */
  private readonly heard = new Set<WorkerIndex>();
  private frozen: { readonly reason: string; readonly sinceMs: number; next: Generation } | undefined;
  /** While frozen: the stores that have answered behind the fence, those declared lost, and the newest reported. */
  private readonly answered = new Set<string>();
  private readonly lost = new Set<string>();
  private readonly reported = new Map<PartitionId, Configuration>();
  private rebuilding: Promise<void> | undefined;
  /** An operator says that partitions of which nobody tells are lost. */
  private mayLackPartitions = false;

  constructor(
    private readonly state: ClusterState,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly options: RecoveryOptions,
  ) {
    this.startedMs = clock.monotonicNowMs();
    const newest = this.newestGeneration();
    if (state.isTakingOver)
      this.freeze(`it takes over cluster ${state.map.settings.clusterId}, of which it knows nothing`, newest);
    if (newest > state.generation)
      this.freeze(`an earlier recovery, to generation ${newest}, did not come to its end`, newest);
  }

  /** What workers are told: configurations of older generations are void. */
  get fence(): Generation {
    return this.frozen?.next ?? this.state.generation;
  }

  /** Workers are to report whole configurations. */
  get configurationsWanted(): boolean {
    return this.frozen !== undefined;
  }

  get isFrozen(): boolean {
    return this.frozen !== undefined;
  }

  /** Why no proposal is taken at present, or undefined. */
  refusal(): string | undefined {
    if (this.frozen !== undefined) return `it does not trust its own data: ${this.frozen.reason}`;
    return this.isQuiet() ? 'it has just started, and not all workers have reported yet' : undefined;
  }

  status(): RecoveryStatus {
    const { frozen } = this;
    const state = frozen === undefined ? (this.isQuiet() ? 'starting' : 'serving') : 'frozen';
    const alarm =
      frozen === undefined
        ? null
        : {
            reason: frozen.reason,
            sinceMs: frozen.sinceMs,
            nextGeneration: frozen.next,
            awaiting: this.awaiting(),
            unreported: this.unreported(),
          };
    return { state, generation: this.state.generation, alarm };
  }

  /**
   * Takes in what a worker reports. To be called before its registration is acted on in any way.
   * @throws StoreError worker-refused: it holds a partition that this cluster cannot have.
   */
  hear(worker: WorkerIndex, store: StoreId, report: Report | null): void {
    const { partitionLimit } = this.state.map;
    const stranger = report?.installed.find(({ partition }) => partition >= partitionLimit);
    if (stranger !== undefined) {
      const { isTakingOver } = this.state;
      const detail =
        `Worker ${worker} holds partition ${stranger.partition}; this cluster has ${partitionLimit}.` +
        (isTakingOver ? ' Take it over with the --partitions that it was formed with.' : '');
      throw new StoreError('worker-refused', detail, { facts: { worker, final: !isTakingOver } });
    }
    this.heard.add(worker);
    this.lost.delete(nameOf(worker, store));
    if (report === null) return;
    const doubt = this.doubtOf(worker, report);
    if (doubt !== undefined) this.freeze(doubt, report.gen);
    if (this.frozen === undefined) return;
    for (const { partition, configuration } of report.configurations ?? [])
      this.note(worker, partition, configuration);
    this.raiseFence(report);
    if (report.gen >= this.frozen.next && report.configurations !== null)
      this.answered.add(nameOf(worker, store));
  }

  /**
   * Rebuilds if everybody has answered. To be called after `hear`, when the worker is registered, and now and then.
   * Never rejects: what fails is logged, and tried again at the next call.
   */
  async proceed(): Promise<void> {
    if (this.frozen === undefined || this.awaiting().length > 0) return;
    if (this.unreported() > 0 && !this.mayLackPartitions) return;
    this.rebuilding ??= this.rebuild()
      .catch((error: unknown) => {
        this.log.error(`Recovery put off: ${error instanceof Error ? error.message : String(error)}`);
      })
      .finally(() => (this.rebuilding = undefined));
    await this.rebuilding;
  }

  /**
   * An operator says that these workers will never answer. Recovery goes on without them as soon as all others have.
   * @returns the partitions whose newest configuration one of them may have taken along.
   * @throws StoreError worker-not-found: this master does not know such a worker, so nothing can name it. Started with
   *   an empty disk it becomes known.
   */
  async declareLost(lost: readonly WorkerIndex[]): Promise<{ atRisk: PartitionId[] }> {
    for (const worker of lost) {
      if (this.state.map.worker(worker) === undefined) {
        const detail = `Worker ${worker} is not known here. If a configuration names it, start it with an empty disk.`;
        throw new StoreError('worker-not-found', detail, { facts: { worker } });
      }
    }
    if (this.frozen !== undefined) {
      for (const { worker, store } of this.awaitedStores())
        if (lost.includes(worker)) this.lost.add(nameOf(worker, store));
      this.log.warn(`An operator declared lost: worker ${lost.join(', ') || 'none'}`);
    }
    const atRisk = this.partitionsOf(new Set(lost));
    await this.proceed();
    return { atRisk };
  }

  /** An operator says that partitions of which no worker tells are lost. They are created anew, and empty. */
  declarePartitionsLost(): void {
    this.mayLackPartitions = true;
  }

  /** An operator says that the data is an old backup. */
  declareRestored(): void {
    this.freeze('an operator declared it restored from a backup', this.newestGeneration());
  }

  private awaiting(): WorkerIndex[] {
    return [...new Set(this.awaitedStores().map(({ worker }) => worker))].sort((a, b) => a - b);
  }

  /** Every store that has to answer and has not. A worker with a new disk does not answer for its old one. */
  private awaitedStores(): { worker: WorkerIndex; store: StoreId }[] {
    const { map } = this.state;
    const registered = map.workers().filter(({ state }) => state !== 'removed');
    const named = [...this.newest().values()].flatMap(({ insync, eligible }) => [...insync, ...eligible]);
    const counted = [...registered.map(({ index: worker, store }) => ({ worker, store })), ...named];
    return counted.filter(({ worker, store }) => {
      const name = nameOf(worker, store);
      return !this.answered.has(name) && !this.lost.has(name);
    });
  }

  private unreported(): number {
    return this.state.isTakingOver ? this.state.map.partitionLimit - this.newest().size : 0;
  }

  private isQuiet(): boolean {
    if (this.clock.monotonicNowMs() - this.startedMs >= this.options.startupQuietMs) return false;
    return this.state.map.workers().some(({ index, state }) => state !== 'removed' && !this.heard.has(index));
  }

  /** What in the report is ahead of this master's data. */
  private doubtOf(worker: WorkerIndex, { gen, map, master, installed }: Report): string | undefined {
    const { state } = this;
    const own = this.options.master;
    if (gen > this.fence)
      return `worker ${worker} knows generation ${gen}, this data is of ${state.generation}`;
    if (map !== null && map.gen >= state.generation && map.version > state.map.version)
      return `worker ${worker} knows version ${map.version} of the map, this data ends at ${state.map.version}`;
    if (gen === state.generation && master !== null) {
      if (master.boot > own.boot)
        return `worker ${worker} knows start ${master.boot} of the master, this is ${own.boot}`;
      if (master.boot === own.boot && master.nonce !== own.nonce)
        return `worker ${worker} follows another process of the same start of the master, on a copy of its data`;
    }
    const ahead = installed.find(({ partition, ver }) => {
      const configuration = state.map.configurationOf(partition);
      return configuration === undefined || isNewer(ver, configuration);
    });
    return ahead === undefined
      ? undefined
      : `worker ${worker} has partition ${ahead.partition} at ${ahead.ver.gen}.${ahead.ver.epoch}, newer than this data`;
  }

  private freeze(reason: string, above: Generation): void {
    if (this.frozen !== undefined) return;
    const next = generation(Math.max(above, this.newestGeneration()) + 1);
    this.frozen = { reason, sinceMs: this.clock.wallNowMs(), next };
    this.answered.clear();
    this.lost.clear();
    this.reported.clear();
    this.log.error(
      `ALARM: the configuration data of this master is not trusted: ${reason}. No partition changes its replicas until ` +
        `every worker has answered in generation ${next}. GET /v1/cluster says who is missing; if some are lost for ` +
        `good, POST /v1/cluster/recover names them.`,
    );
  }

  /** Goes above every generation that was given out or decided in by anybody else. */
  private raiseFence({ gen }: Report): void {
    const { frozen } = this;
    if (frozen === undefined) return;
    const decided = Math.max(0, ...[...this.reported.values()].map((configuration) => configuration.gen));
    if (gen <= frozen.next && decided < frozen.next) return;
    frozen.next = generation(Math.max(gen, decided) + 1);
    this.answered.clear();
  }

  private note(worker: WorkerIndex, partition: PartitionId, configuration: Configuration): void {
    if (partition >= this.state.map.partitionLimit || problemOfConfiguration(configuration) !== undefined)
      return;
    const best = this.reported.get(partition);
    const order = best === undefined ? 1 : compareVer(configuration, best);
    if (order > 0) this.reported.set(partition, configuration);
    if (order === 0 && best !== undefined && !sameConfiguration(best, configuration)) {
      this.log.error(
        `ALARM: worker ${worker} has another configuration of partition ${partition} at ${configuration.gen}.` +
          `${configuration.epoch} than was reported before: two masters have decided`,
      );
    }
  }

  /** The newest configuration of each partition that is known here or was reported. */
  private newest(): Map<PartitionId, Configuration> {
    const newest = new Map<PartitionId, Configuration>();
    for (const { partition, configuration } of this.state.map.partitionRecords())
      if (configuration !== null) newest.set(partition, configuration);
    for (const [partition, configuration] of this.reported) {
      const stored = newest.get(partition);
      if (stored === undefined || isNewer(configuration, stored)) newest.set(partition, configuration);
    }
    return newest;
  }

  private newestGeneration(): Generation {
    let newest = this.state.generation;
    for (const { configuration } of this.state.map.partitionRecords())
      if (configuration !== null && configuration.gen > newest) newest = configuration.gen;
    return newest;
  }

  private partitionsOf(workers: ReadonlySet<WorkerIndex>): PartitionId[] {
    const { map } = this.state;
    return [...this.newest()]
      .filter(([partition, { insync, eligible }]) => {
        const stored = map.configurationOf(partition);
        const members = [...insync, ...eligible, ...(stored?.insync ?? [])].map(({ worker }) => worker);
        return [...members, ...(map.targetOf(partition)?.replicas ?? [])].some((index) => workers.has(index));
      })
      .map(([partition]) => partition)
      .sort((a, b) => a - b);
  }

  private async rebuild(): Promise<void> {
    const { frozen, state } = this;
    invariant(frozen !== undefined, 'only a frozen manager rebuilds its data');
    const gen = frozen.next;
    const configurations = [...this.newest()].map(([partition, newest]) => ({
      partition,
      configuration: this.recovered(gen, partition, newest),
    }));
    const targets = configurations.map(({ partition, configuration }) =>
      raised(gen, partition, state.map.targetOf(partition) ?? targetAsItIs(configuration)),
    );
    await state.rebuild(gen, configurations, targets);
    this.frozen = undefined;
    this.log.warn(
      `Recovered: ${configurations.length} partitions in generation ${gen}, from the reports of ` +
        `${this.answered.size} stores${this.lost.size > 0 ? `, without ${[...this.lost].join(', ')}` : ''}`,
    );
  }

  private recovered(gen: Generation, partition: PartitionId, newest: Configuration): Configuration {
    const { primary, insync, minInSync, eligible } = newest;
    const stored = this.state.map.configurationOf(partition);
    const decision = decide(
      stored,
      {
        kind: 'recover',
        partition,
        expect: stored ?? null,
        proposalId: proposalId(randomBytes(16).toString('hex')),
        by: this.lost.size > 0 ? 'operator' : 'master',
        gen,
        base: newest,
        next: { primary, insync, minInSync, eligible },
      },
      // A recovery repeats what was; none of this is looked at.
      { gen, registered: new Map(), target: undefined, minInSyncGoal: 1 },
    );
    invariant(decision.answer === 'accepted', 'a recovery is accepted', { partition, decision });
    return decision.configuration;
  }
}

function nameOf(worker: WorkerIndex, store: StoreId): string {
  return `${worker}/${store}`;
}

/** Of a partition whose target is lost. */
function targetAsItIs({ primary, insync }: Configuration): Target {
  return { rev: 0, replicas: insync.map(({ worker }) => worker), preferredPrimary: primary.worker };
}

function raised(gen: Generation, partition: PartitionId, target: Target): TargetChange {
  const rev =
    (gen - 1) * TARGET_REVISIONS_PER_GENERATION + (target.rev % TARGET_REVISIONS_PER_GENERATION) + 1;
  return { partition, target: { ...target, rev } };
}
