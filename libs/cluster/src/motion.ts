/**
 * Which partitions are on their way to their target, and which targets to change next so that only a few are at once.
 *
 * The whole plan comes from placement (target-plan.ts) and is carried out in portions: the next portion is planned
 * anew from the targets as they are then, so a worker that joins, leaves or dies in between only changes the rest of
 * the plan. A partition is *at its target* when the workers in sync are those that the target names. It is *in motion*
 * when it is not, and can get there: every worker that the target names is there, and someone to copy from. One whose
 * target names a dead worker is not in motion, it waits for that worker or for another target, and must not hold up
 * the others.
 */
import type { ClusterMap } from './cluster-map.js';
import type { Configuration } from './configuration.js';
import type { PartitionId, WorkerIndex } from './ids.js';
import { planTargets } from './target-plan.js';
import type { TargetChange } from './target-plan.js';
import type { Target } from './target.js';
import type { PlacementWorker } from './topology.js';

export interface Motion {
  readonly partition: PartitionId;
  /** Workers of the target that are not in sync yet. */
  readonly copies: number;
  /** Workers in sync that are not of the target. */
  readonly retiring: number;
}

export interface MoveOptions {
  /** Whether a worker can take part at present. */
  readonly isThere: (worker: WorkerIndex) => boolean;
  /** Partitions in motion at a time. */
  readonly movesMax: number;
  /** Hand-overs to a preferred primary at a time. They copy nothing. */
  readonly handoversMax: number;
}

export function isAtTarget({ insync }: Configuration, { replicas }: Target): boolean {
  return insync.length === replicas.length && insync.every(({ worker }) => replicas.includes(worker));
}

/** The partitions in motion, by number. */
export function motionsOf(map: ClusterMap, isThere: (worker: WorkerIndex) => boolean): Motion[] {
  const motions: Motion[] = [];
  for (const { partition, configuration, target } of map.partitionRecords()) {
    if (configuration === null || target === null) continue;
    if (isMoving(configuration, target, isThere))
      motions.push({ partition, ...differenceOf(configuration, target) });
  }
  return motions;
}

export interface MovePlan {
  /** The targets to change now. */
  readonly now: readonly TargetChange[];
  /** What the plan holds besides; it is planned anew when there is room. */
  readonly later: readonly TargetChange[];
}

/**
 * The plan for `workers` to share all partitions, divided. Both parts are empty when it is carried out. A partition of
 * which no copy is there is left where it is: nobody could copy it.
 * @param workers as for `planTargets`.
 */
export function planMoves(
  map: ClusterMap,
  workers: readonly PlacementWorker[],
  { isThere, movesMax, handoversMax }: MoveOptions,
): MovePlan {
  const moving = new Set(motionsOf(map, isThere).map(({ partition }) => partition));
  let movesLeft = movesMax - moving.size;
  let handoversLeft = handoversMax - pendingHandovers(map, isThere);
  const liveOf = ({ partition }: TargetChange): number =>
    map.configurationOf(partition)?.insync.filter(({ worker }) => isThere(worker)).length ?? 0;
  const mayGoNow = ({ partition, target }: TargetChange): boolean => {
    const configuration = map.configurationOf(partition);
    // What is in motion already does not become more by going elsewhere.
    if (configuration === undefined || moving.has(partition)) return true;
    const before = map.targetOf(partition);
    if (before !== undefined && isSameSet(before.replicas, target.replicas)) return handoversLeft-- > 0;
    return isAtTarget(configuration, target) || movesLeft-- > 0;
  };
  const now: TargetChange[] = [];
  const later: TargetChange[] = [];
  // Who has the fewest copies left is copied first.
  const changes = planTargets(map, workers).filter((change) => liveOf(change) > 0);
  for (const change of changes.sort((a, b) => liveOf(a) - liveOf(b) || a.partition - b.partition))
    (mayGoNow(change) ? now : later).push(change);
  return { now, later };
}

function isMoving(
  configuration: Configuration,
  target: Target,
  isThere: (worker: WorkerIndex) => boolean,
): boolean {
  return (
    !isAtTarget(configuration, target) &&
    target.replicas.every(isThere) &&
    configuration.insync.some(({ worker }) => isThere(worker))
  );
}

function differenceOf({ insync }: Configuration, { replicas }: Target): { copies: number; retiring: number } {
  return {
    copies: replicas.filter((index) => !insync.some(({ worker }) => worker === index)).length,
    retiring: insync.filter(({ worker }) => !replicas.includes(worker)).length,
  };
}

function pendingHandovers(map: ClusterMap, isThere: (worker: WorkerIndex) => boolean): number {
  return map.partitionRecords().filter(({ configuration, target }) => {
    if (configuration === null || target === null || !isAtTarget(configuration, target)) return false;
    const { preferredPrimary } = target;
    return configuration.primary.worker !== preferredPrimary && isThere(preferredPrimary);
  }).length;
}

function isSameSet(a: readonly WorkerIndex[], b: readonly WorkerIndex[]): boolean {
  return a.length === b.length && a.every((worker) => b.includes(worker));
}
