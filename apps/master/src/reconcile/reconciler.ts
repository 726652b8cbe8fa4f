/**
 * Brings the cluster towards what it should be, a little at a time, by writing targets; the primaries act on them.
 *
 *     news or interval ─► recover? ─► create partitions ─► lower minInSync ─► next targets ─► remove who is drained
 *
 * The idea: nothing is remembered between two passes but for display. Each looks at the map as it is and does the next
 * step, so a crash in the middle, an operator who changes his mind and a worker that dies are all the same: the next
 * pass plans anew. A target endangers nothing (target.ts of libs/cluster), so it may be wrong for a while.
 *
 * - A worker that joins receives its share; one that drains, or was gone for `replaceAfterMs`, loses all. A worker that
 *   is merely silent keeps its replicas' places, because copying them elsewhere costs more than waiting a while.
 * - At most `movesMax` partitions are in motion at a time (motion.ts), so that copying never takes the whole network.
 * - `minInSync` falls here, and only when an operator took workers or copies away; it rises with an accepted `add`.
 * - Just after its own start the master counts nobody as gone: who is there has to find it again first.
 *
 * One pass at a time. Not for safety: with a second master the targets would go back and forth, no more.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Clock } from '@diststore/base';
import type { ClusterMap, MovePlan, PolicyProposal, Worker, WorkerIndex } from '@diststore/cluster';
import { memberOf, motionsOf, planMoves, proposalId } from '@diststore/cluster';
import { type Log, Periodic } from '@diststore/process';

import type { ClusterState } from '../cluster/cluster-state.js';
import type { PartitionCreator } from '../cluster/partition-creator.js';
import type { ProposalQueue } from '../configuration/proposal-queue.js';
import type { Recovery } from '../configuration/recovery.js';
import type { WorkerRegistry } from '../registry/worker-registry.js';
import type { Departures } from './departures.js';
import { copiedBetween, MoveProgress } from './move-progress.js';

export interface ReconcilerOptions {
  /** A worker silent for so long is replaced. */
  readonly replaceAfterMs: number;
  /** Default MOVES_MAX. */
  readonly movesMax?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** What configurations are changed and created by. */
export interface ConfigurationManager {
  readonly recovery: Recovery;
  readonly proposals: ProposalQueue;
  readonly creator: PartitionCreator;
}

/** What is under way, for people. */
export interface MovesView {
  readonly partitionsInMotion: number;
  readonly limit: number;
  /** Replicas to copy, those included that wait for their turn. */
  readonly replicasToGo: number;
  /** Replicas that have come into sync since the master started. */
  readonly replicasDone: number;
  /** About what these replicas hold: by the mean of the workers' partitions; null: not known. */
  readonly keys: number | null;
  readonly bytes: number | null;
  /** About how long it still takes; null: not known yet. */
  readonly estimateMs: number | null;
}

/** Partitions in motion at a time: a few per worker keep its disk and network busy without taking all of either. */
export const MOVES_MAX = 8;

/** Hand-overs at a time. Each is a pause of two round trips for one partition. */
const HANDOVERS_MAX = 16;

/** Without news: what changes by time alone is seen so soon. */
const INTERVAL_MS = 1000;

/** Between two passes for news, so that a burst of it is one pass; and so many times what a pass took. */
const PAUSE_MS_MIN = 50;
const PAUSE_PER_PASS = 4;

/** Workers try to reach a master again at least every 5 s. */
const RETURN_GRACE_MS = 30_000;

/** Whatever takes longer says how far it is, so often. */
const PROGRESS_AFTER_MS = 1000;
const PROGRESS_EVERY_MS = 5000;

export class Reconciler {
  private readonly passes: Periodic;
  private readonly startedMs: number;
  private readonly closing = new AbortController();
  private readonly following: Promise<void>;
  private readonly progress = new MoveProgress();
  /** As of the last report. */
  private reportedMap: ClusterMap;
  private nextReportMs = 0;
  private plan: MovePlan = { now: [], later: [] };

  /** Begins at once. */
  constructor(
    private readonly state: ClusterState,
    private readonly registry: WorkerRegistry,
    private readonly manager: ConfigurationManager,
    private readonly departures: Departures,
    private readonly options: ReconcilerOptions,
  ) {
    const { log } = options;
    this.startedMs = this.nowMs();
    this.reportedMap = state.map;
    this.passes = new Periodic(() => this.pass(), { name: 'Reconciling', intervalMs: INTERVAL_MS, log });
    this.following = this.follow();
  }

  /** Makes a pass now; resolves when it is done. */
  run(): Promise<void> {
    return this.passes.run();
  }

  async stop(): Promise<void> {
    this.closing.abort();
    await this.passes.stop();
    await this.following;
  }

  view(): MovesView {
    const estimate = this.progress.estimate(this.nowMs());
    const replicasToGo = this.replicasToGo();
    const mean = this.registry.meanPartition();
    return {
      partitionsInMotion: this.motions().length,
      limit: this.movesMax,
      replicasToGo,
      replicasDone: this.progress.total,
      keys: mean === undefined ? null : Math.round(mean.keys * replicasToGo),
      bytes: mean === undefined ? null : Math.round(mean.bytes * replicasToGo),
      estimateMs: replicasToGo === 0 ? 0 : (estimate?.estimateMs ?? null),
    };
  }

  private nowMs(): number {
    return this.options.clock.monotonicNowMs();
  }

  private get movesMax(): number {
    return this.options.movesMax ?? MOVES_MAX;
  }

  /** Makes a pass for each change of the map, or for several at once. */
  private async follow(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      const { version } = this.state.map;
      const beganMs = this.nowMs();
      await this.passes.run();
      const tookMs = this.nowMs() - beganMs;
      await sleep(Math.max(PAUSE_MS_MIN, tookMs * PAUSE_PER_PASS), undefined, { signal }).catch(
        () => undefined,
      );
      await this.state.untilNewer(version, signal);
      // The state's own end wakes the wait as well, and nothing is newer then.
      if (this.state.map.version <= version) return;
    }
  }

  private async pass(): Promise<void> {
    const { recovery, creator } = this.manager;
    await recovery.proceed();
    if (recovery.refusal() !== undefined) return;
    await creator.run();
    if (this.state.map.settings.placement === 'hashed' && this.state.map.formed) {
      await this.lowerMinInSync();
      await this.setTargets();
    }
    await this.departures.removeDrained();
  }

  /** Asks for no more copies than may be had by now. */
  private async lowerMinInSync(): Promise<void> {
    const goal = this.manager.proposals.minInSyncGoal();
    const proposals: PolicyProposal[] = [];
    for (const { partition, configuration } of this.state.map.partitionRecords()) {
      if (configuration === null || configuration.minInSync <= goal) continue;
      const { gen, epoch, primary, insync } = configuration;
      proposals.push({
        kind: 'policy',
        partition,
        expect: { gen, epoch },
        proposalId: proposalId(randomBytes(16).toString('hex')),
        by: 'master',
        next: { primary, insync, minInSync: goal },
      });
    }
    if (proposals.length === 0) return;
    await this.manager.proposals.propose(proposals);
    this.options.log.log(
      `Lowered the number of copies that writes need to ${goal}, in ${proposals.length} partitions`,
    );
  }

  private async setTargets(): Promise<void> {
    const { map } = this.state;
    const workers = map.workers().filter((worker) => worker.state === 'active' && !this.isGone(worker));
    const { movesMax } = this;
    this.plan = planMoves(map, workers, { isThere: this.isThere, movesMax, handoversMax: HANDOVERS_MAX });
    if (this.plan.now.length > 0) await this.state.setTargets(this.plan.now);
    this.reportProgress();
  }

  private isGone({ presence, sinceMs }: Worker): boolean {
    const ownMs = this.nowMs() - this.startedMs;
    const { replaceAfterMs } = this.options;
    return (
      presence === 'down' &&
      ownMs >= Math.min(replaceAfterMs, RETURN_GRACE_MS) &&
      this.options.clock.wallNowMs() - sinceMs >= replaceAfterMs
    );
  }

  private readonly isThere = (index: WorkerIndex): boolean => {
    const worker = this.state.map.worker(index);
    return worker?.presence === 'up' && worker.state !== 'removed';
  };

  private motions(): ReturnType<typeof motionsOf> {
    return motionsOf(this.state.map, this.isThere);
  }

  private replicasToGo(): number {
    const { map } = this.state;
    const inMotion = this.motions().reduce((sum, { copies }) => sum + copies, 0);
    const later = this.plan.later.reduce((sum, { partition, target }) => {
      const insync = map.configurationOf(partition)?.insync ?? [];
      return sum + target.replicas.filter((worker) => memberOf(insync, worker) === undefined).length;
    }, 0);
    return inMotion + later;
  }

  private reportProgress(): void {
    const nowMs = this.nowMs();
    const before = this.progress.estimate(nowMs);
    const { map } = this.state;
    const copied = copiedBetween(this.reportedMap, map);
    this.reportedMap = map;
    this.progress.update({ copied, replicasToGo: this.replicasToGo() }, nowMs);
    const estimate = this.progress.estimate(nowMs);
    if (estimate === undefined) {
      if (before !== undefined && before.elapsedMs >= PROGRESS_AFTER_MS)
        this.options.log.log(`All replicas are where they should be, after ${seconds(before.elapsedMs)}`);
      this.nextReportMs = 0;
      return;
    }
    if (estimate.elapsedMs < PROGRESS_AFTER_MS || nowMs < this.nextReportMs) return;
    this.nextReportMs = nowMs + PROGRESS_EVERY_MS;
    const { replicasToGo, replicasDone, estimateMs } = estimate;
    const { bytes } = this.view();
    this.options.log.log(
      `Moving replicas: ${replicasDone} copied, ${replicasToGo} to go` +
        (bytes === null ? '' : `, about ${mebibytes(bytes)}`) +
        (estimateMs === undefined ? '' : `, about ${seconds(estimateMs)} more`),
    );
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
