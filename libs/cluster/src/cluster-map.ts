/**
 * The cluster map: every partition's configuration and target, every worker, and the settings, at one version.
 *
 * A map never changes; applying news gives another map that shares what did not change. The lookups that a request
 * needs are array accesses and allocate nothing.
 *
 * Invariants:
 * - The version, and the version of each record in it, only grow from one map to the next. Two different configurations
 *   of one ver, or targets of one rev, mean two histories (a second master on a copy of the data): refused.
 * - Once a `hashed` cluster is formed, every one of its partitions has a configuration: with slots divided by
 *   partitions.ts, every slot then has exactly one configuration. Before, a partition may have none.
 * - Under `local`, partition i belongs to worker i, which is its only replica.
 * - Whoever a configuration or a target names is a worker the map knows.
 *
 * What it is not for: a replica does not take its own configuration from here but keeps the newest it has seen of
 * each partition, durably. This map may be old at any time; it is for finding the way.
 */
import { invariant } from '@diststore/base';

import { problemOfConfiguration } from './configuration.js';
import type { Configuration } from './configuration.js';
import { WORKER_INDEX_MAX, workerIndex } from './ids.js';
import type { Generation, PartitionId, WorkerIndex } from './ids.js';
import { mergeRecords, mergeWorkers } from './map-delta.js';
import type { MapDelta, PartitionRecord } from './map-delta.js';
import type { Member } from './member.js';
import { Partitions } from './partitions.js';
import { problemOfSettings, problemOfSettingsChange } from './settings.js';
import type { Settings } from './settings.js';
import { problemOfTarget } from './target.js';
import type { Target } from './target.js';
import type { Worker } from './worker.js';

export type Applied =
  | { readonly answer: 'applied'; readonly map: ClusterMap }
  /** The news begins after this map's version: ask for what changed since the version of this map, or for all. */
  | { readonly answer: 'gap' }
  /** The news contradicts this map or itself; retrying will not help. */
  | { readonly answer: 'refused'; readonly reason: string };

interface Contents {
  readonly version: number;
  readonly formed: boolean;
  readonly settings: Settings;
  /** By worker index. */
  readonly workers: readonly (Worker | undefined)[];
  /** By partition number. */
  readonly records: readonly (PartitionRecord | undefined)[];
}

export class ClusterMap {
  readonly version: number;
  readonly settings: Settings;
  /** Whether all partitions of a `hashed` cluster were created. Always false under `local`. */
  readonly formed: boolean;
  /** The division of slots; undefined under `local`. */
  readonly partitions: Partitions | undefined;
  private readonly workersByIndex: readonly (Worker | undefined)[];
  private readonly records: readonly (PartitionRecord | undefined)[];

  private constructor(contents: Contents) {
    this.version = contents.version;
    this.settings = contents.settings;
    this.formed = contents.formed;
    this.workersByIndex = contents.workers;
    this.records = contents.records;
    const { settings } = contents;
    this.partitions = settings.placement === 'hashed' ? new Partitions(settings.partitionCount) : undefined;
  }

  /** The map of a cluster that has settings and nothing else yet, at version 0. REQUIRES: sound settings. */
  static empty(settings: Settings): ClusterMap {
    const problem = problemOfSettings(settings);
    invariant(problem === undefined, 'the settings of a cluster are sound', { problem, settings });
    const workers = Array.from({ length: WORKER_INDEX_MAX + 1 }, () => undefined);
    const records = Array.from({ length: partitionLimitOf(settings) }, () => undefined);
    return new ClusterMap({ version: 0, formed: false, settings, workers, records });
  }

  /** The map that a delta since version 0 describes. */
  static from(delta: MapDelta): Applied {
    if (delta.settings === null || delta.since !== 0) return { answer: 'gap' };
    const problem = problemOfSettings(delta.settings);
    if (problem !== undefined) return { answer: 'refused', reason: problem };
    return ClusterMap.empty(delta.settings).apply(delta);
  }

  /** How many partitions there can be: the highest partition number plus one. */
  get partitionLimit(): number {
    return partitionLimitOf(this.settings);
  }

  /**
   * The partition that holds a key, allocating nothing. Under `local` that is the partition of the worker that was
   * asked, which must be given.
   */
  partitionOf(key: Uint8Array, asked?: WorkerIndex): PartitionId {
    if (this.partitions !== undefined) return this.partitions.ofKey(key);
    invariant(asked !== undefined, 'under placement local a key belongs to the worker that is asked');
    return localPartitionOf(asked);
  }

  /** Undefined until the partition is created. */
  configurationOf(partition: PartitionId): Configuration | undefined {
    return this.records[partition]?.configuration ?? undefined;
  }

  /** Undefined until the partition is placed. */
  targetOf(partition: PartitionId): Target | undefined {
    return this.records[partition]?.target ?? undefined;
  }

  primaryOf(partition: PartitionId): Member | undefined {
    return this.records[partition]?.configuration?.primary;
  }

  /** The worker to ask about a partition: its primary's. */
  ownerOf(partition: PartitionId): Worker | undefined {
    const primary = this.records[partition]?.configuration?.primary;
    return primary === undefined ? undefined : this.workersByIndex[primary.worker];
  }

  worker(index: WorkerIndex): Worker | undefined {
    return this.workersByIndex[index];
  }

  /** All workers ever known, removed ones included, by index. */
  workers(): Worker[] {
    return this.workersByIndex.filter((worker) => worker !== undefined);
  }

  /** All partitions that are placed or created, by number. */
  partitionRecords(): PartitionRecord[] {
    return this.records.filter((record) => record !== undefined);
  }

  /**
   * The generation that this map was made in: the lowest of its configurations, since a recovery raises all of them.
   * Undefined while it has none. Reads the whole map.
   */
  get generation(): Generation | undefined {
    let lowest: Generation | undefined;
    for (const { configuration } of this.partitionRecords()) {
      if (configuration !== null && (lowest === undefined || configuration.gen < lowest))
        lowest = configuration.gen;
    }
    return lowest;
  }

  /** The partitions that a worker is primary of, and those it is in sync for otherwise. Reads the whole map. */
  partitionsOf(index: WorkerIndex): { primary: PartitionId[]; secondary: PartitionId[] } {
    const found: { primary: PartitionId[]; secondary: PartitionId[] } = { primary: [], secondary: [] };
    for (const { partition, configuration } of this.partitionRecords()) {
      if (configuration?.insync.some(({ worker }) => worker === index))
        found[configuration.primary.worker === index ? 'primary' : 'secondary'].push(partition);
    }
    return found;
  }

  /** What changed after `version`; everything for 0. */
  deltaSince(version: number): MapDelta {
    return {
      clusterId: this.settings.clusterId,
      since: Math.min(version, this.version),
      version: this.version,
      formed: this.formed,
      settings: version === 0 || this.settings.revision > version ? this.settings : null,
      workers: this.workers().filter((worker) => worker.revision > version),
      partitions: this.partitionRecords().filter((record) => record.revision > version),
    };
  }

  /** The map with this news merged in. Older news than what is known is skipped, record by record. */
  apply(delta: MapDelta): Applied {
    if (delta.since > this.version) return { answer: 'gap' };
    const problem = this.problemOfDelta(delta);
    if (problem !== undefined) return { answer: 'refused', reason: problem };
    const workers = mergeWorkers(this.workersByIndex, delta.workers);
    if (typeof workers === 'string') return { answer: 'refused', reason: workers };
    const records = mergeRecords(this.records, delta.partitions);
    if (typeof records === 'string') return { answer: 'refused', reason: records };
    const settings =
      delta.settings !== null && delta.settings.revision > this.settings.revision
        ? delta.settings
        : this.settings;
    const formed = this.formed || delta.formed;
    const version = Math.max(this.version, delta.version);
    const next = new ClusterMap({ version, formed, settings, workers, records });
    const defect = next.problemOf(delta) ?? (formed && !this.formed ? next.problemOfForming() : undefined);
    return defect === undefined ? { answer: 'applied', map: next } : { answer: 'refused', reason: defect };
  }

  /**
   * The map with configurations that were heard of from replicas, ahead of the master's own news. The version stays,
   * and so does each record's revision: the master's news about them is still to come.
   */
  learn(news: readonly { partition: PartitionId; configuration: Configuration }[]): Applied {
    const partitions: PartitionRecord[] = [];
    for (const { partition, configuration } of news) {
      const record = {
        partition,
        revision: this.records[partition]?.revision ?? 0,
        configuration,
        target: null,
      };
      const problem = this.problemOfRecord(record);
      if (problem !== undefined) return { answer: 'refused', reason: `partition ${partition}: ${problem}` };
      partitions.push(record);
    }
    const records = mergeRecords(this.records, partitions);
    if (typeof records === 'string') return { answer: 'refused', reason: records };
    const { version, formed, settings, workersByIndex: workers } = this;
    return { answer: 'applied', map: new ClusterMap({ version, formed, settings, workers, records }) };
  }

  /** What speaks against the delta before it is merged. */
  private problemOfDelta(delta: MapDelta): string | undefined {
    if (delta.clusterId !== this.settings.clusterId) return 'the news is about another cluster';
    if (delta.version < delta.since) return 'the news ends before it begins';
    if (delta.formed && this.partitions === undefined) return 'only a hashed cluster is formed';
    const revisions = [delta.settings ?? { revision: 0 }, ...delta.workers, ...delta.partitions];
    if (revisions.some(({ revision }) => revision > delta.version))
      return 'a record is newer than the news it came in';
    if (delta.settings === null) return undefined;
    return problemOfSettings(delta.settings) ?? problemOfSettingsChange(this.settings, delta.settings);
  }

  /** What is wrong with this map in the records that the delta touched. */
  private problemOf(delta: MapDelta): string | undefined {
    for (const record of delta.partitions) {
      const problem = this.problemOfRecord(record) ?? this.problemOfStrangers(record);
      if (problem !== undefined) return `partition ${record.partition}: ${problem}`;
    }
    return undefined;
  }

  private problemOfRecord({ partition, configuration, target }: PartitionRecord): string | undefined {
    if (partition >= this.partitionLimit) return 'there is no such partition';
    const problem =
      (configuration === null ? undefined : problemOfConfiguration(configuration)) ??
      (target === null ? undefined : problemOfTarget(target));
    if (problem !== undefined || this.partitions !== undefined) return problem;
    const isOwn = (worker: WorkerIndex): boolean => localPartitionOf(worker) === partition;
    if (configuration !== null && !configuration.insync.every(({ worker }) => isOwn(worker)))
      return 'under placement local only its own worker holds a partition';
    if (target !== null && !target.replicas.every(isOwn))
      return 'under placement local a partition does not move';
    return undefined;
  }

  private problemOfStrangers({ configuration, target }: PartitionRecord): string | undefined {
    const members = configuration === null ? [] : [...configuration.insync, ...configuration.eligible];
    const named = [...members.map(({ worker }) => worker), ...(target?.replicas ?? [])];
    const stranger = named.find((index) => this.workersByIndex[index] === undefined);
    return stranger === undefined ? undefined : `worker ${stranger} is not known`;
  }

  private problemOfForming(): string | undefined {
    for (let p = 0; p < this.partitionLimit; p++) {
      if (!this.records[p]?.configuration) return `partition ${p} of a formed cluster has no configuration`;
    }
    return undefined;
  }
}

function partitionLimitOf(settings: Settings): number {
  return settings.placement === 'hashed' ? settings.partitionCount : WORKER_INDEX_MAX + 1;
}

/** Under placement `local`, the partition that this worker owns. */
export function localPartitionOf(worker: WorkerIndex): PartitionId {
  return worker as number as PartitionId;
}

/** Under placement `local`, the worker that owns this partition. */
export function localOwnerOf(partition: PartitionId): WorkerIndex {
  return workerIndex(partition);
}
