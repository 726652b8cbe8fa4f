/**
 * News about the cluster map: everything that changed after one version of it and up to another.
 *
 * A delta since version 0 is a whole map; there is no second form. Every record carries its own version (a
 * configuration its ver, a target its rev, a worker and the settings the map version of their last change), and
 * merging takes the newer of two. So deltas may overlap, repeat and arrive late without harm; only a gap, a delta that
 * begins after the version one has, must not be applied, because what lies between would be missed for good.
 */
import { sameConfiguration } from './configuration.js';
import type { Configuration } from './configuration.js';
import type { ClusterId, PartitionId } from './ids.js';
import type { Settings } from './settings.js';
import { sameTarget } from './target.js';
import type { Target } from './target.js';
import { compareVer } from './ver.js';
import { problemOfWorker, problemOfWorkerAge } from './worker.js';
import type { Worker } from './worker.js';

export interface PartitionRecord {
  readonly partition: PartitionId;
  /** The map version at which the configuration or the target last changed. */
  readonly revision: number;
  /** Null until the partition is created. */
  readonly configuration: Configuration | null;
  /** Null until it is placed. */
  readonly target: Target | null;
}

export interface MapDelta {
  readonly clusterId: ClusterId;
  /** Holds all that changed after this version; 0: everything. */
  readonly since: number;
  readonly version: number;
  /** Whether all partitions of a `hashed` cluster were created. Never taken back. */
  readonly formed: boolean;
  /** Null: unchanged. */
  readonly settings: Settings | null;
  readonly workers: readonly Worker[];
  readonly partitions: readonly PartitionRecord[];
}

/** The workers by index with the news merged in, or why that cannot be. */
export function mergeWorkers(
  known: readonly (Worker | undefined)[],
  news: readonly Worker[],
): (Worker | undefined)[] | string {
  const merged = [...known];
  for (const worker of news) {
    const problem = problemOfWorker(worker);
    if (problem !== undefined) return problem;
    const before = merged[worker.index];
    if (before !== undefined && before.revision >= worker.revision) continue;
    const aged = before === undefined ? undefined : problemOfWorkerAge(before, worker);
    if (aged !== undefined) return aged;
    merged[worker.index] = worker;
  }
  return merged;
}

/** The partitions by number with the news merged in, or why that cannot be. */
export function mergeRecords(
  known: readonly (PartitionRecord | undefined)[],
  news: readonly PartitionRecord[],
): (PartitionRecord | undefined)[] | string {
  const merged = [...known];
  for (const record of news) {
    const { partition } = record;
    const before = merged[partition];
    if (before === undefined) {
      merged[partition] = record;
      continue;
    }
    const configuration = newerOf(before.configuration, record.configuration, compareVer, sameConfiguration);
    const target = newerOf(before.target, record.target, (a, b) => a.rev - b.rev, sameTarget);
    if (configuration === 'diverged') return `partition ${partition} has two configurations of one version`;
    if (target === 'diverged') return `partition ${partition} has two targets of one revision`;
    merged[partition] = {
      partition,
      revision: Math.max(before.revision, record.revision),
      configuration,
      target,
    };
  }
  return merged;
}

function newerOf<T>(
  known: T | null,
  news: T | null,
  compare: (a: T, b: T) => number,
  isSame: (a: T, b: T) => boolean,
): T | null | 'diverged' {
  if (known === null || news === null) return known ?? news;
  const order = compare(news, known);
  if (order === 0 && !isSame(known, news)) return 'diverged';
  return order > 0 ? news : known;
}
