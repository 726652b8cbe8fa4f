/**
 * The settings of a cluster that every process must agree on.
 *
 * Placement is `hashed` (the slot of a key decides which partition holds it) or `local` (a value stays with the very
 * worker that was asked: every worker owns one partition, whose number is its index, and nobody replicates it).
 * Which of the two, and the number of partitions, is settled at the cluster's creation: changing either would move
 * every key. Replication may be changed at any time.
 */
import { isWholeNumber, PARTITION_COUNT_MAX } from './ids.js';
import type { ClusterId } from './ids.js';
import { REPLICATION_FACTOR_MAX } from './target.js';

export type Placement = 'hashed' | 'local';

export interface HashedSettings {
  readonly placement: 'hashed';
  readonly clusterId: ClusterId;
  /** The map version at which the settings last changed. */
  readonly revision: number;
  readonly partitionCount: number;
  /** How many workers should hold each partition, if there are as many. */
  readonly replicationFactor: number;
  /** The most that `minInSync` of any partition is raised to; null: half of the replicas, rounded up. */
  readonly minInSyncMax: number | null;
}

export interface LocalSettings {
  readonly placement: 'local';
  readonly clusterId: ClusterId;
  readonly revision: number;
}

export type Settings = HashedSettings | LocalSettings;

/** What is wrong with the settings taken by themselves, or undefined. */
export function problemOfSettings(settings: Settings): string | undefined {
  if (settings.placement === 'local') return undefined;
  const { partitionCount, replicationFactor, minInSyncMax } = settings;
  if (!isWholeNumber(partitionCount, { min: 1, max: PARTITION_COUNT_MAX }))
    return `partitionCount is not from 1 to ${PARTITION_COUNT_MAX}`;
  if (!isWholeNumber(replicationFactor, { min: 1, max: REPLICATION_FACTOR_MAX }))
    return `replicationFactor is not from 1 to ${REPLICATION_FACTOR_MAX}`;
  if (minInSyncMax !== null && !isWholeNumber(minInSyncMax, { min: 1, max: replicationFactor }))
    return 'minInSyncMax is not from 1 to replicationFactor';
  return undefined;
}

/** Why settings may not follow earlier ones of the same cluster, or undefined if they may. */
export function problemOfSettingsChange(before: Settings, after: Settings): string | undefined {
  if (after.clusterId !== before.clusterId) return 'the settings are those of another cluster';
  if (after.placement !== before.placement) return 'placement is fixed when a cluster is created';
  if (
    after.placement === 'hashed' &&
    before.placement === 'hashed' &&
    after.partitionCount !== before.partitionCount
  )
    return 'partitionCount is fixed when a cluster is created';
  return undefined;
}
