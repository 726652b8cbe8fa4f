/**
 * The replicas of this worker as the rest of it sees them, also while there is no host for them yet: a new store learns
 * from its first master which cluster it is in and with which times that runs, and has nothing to serve before.
 */
import type {
  ClusterMap,
  Configuration,
  Generation,
  PartitionConfiguration,
  PartitionId,
} from '@diststore/cluster';
import type { Timing } from '@diststore/replication';
import type { Transport } from '@diststore/transport';

import type { AddressBook } from '../routing/peer-network.js';
import { ReplicaHost } from './replica-host.js';
import type { HostedReplica, ReplicaHostOptions } from './replica-host.js';
import { ReplicaLinks } from './replica-links.js';
import type { ReplicatedPartition } from './replicated-partition.js';
import { ReplicatedPartitions } from './replicated-partitions.js';
import type { WriteLimits } from './write-call.js';

export interface WorkerReplicasOptions extends Omit<ReplicaHostOptions, 'network' | 'timing' | 'fence'> {
  readonly limits: WriteLimits;
  readonly messageBytesMax: number;
}

interface Opened {
  readonly host: ReplicaHost;
  readonly links: ReplicaLinks;
  readonly partitions: ReplicatedPartitions;
}

export class WorkerReplicas {
  private opened: Opened | undefined;
  private isStarted = false;
  private newest: { readonly map: ClusterMap; readonly book: AddressBook } | undefined;

  constructor(private readonly options: WorkerReplicasOptions) {}

  get isOpen(): boolean {
    return this.opened !== undefined;
  }

  /** Loads all replicas of the store. Called once. @throws as `ReplicaHost.open` */
  async open(transport: Transport, { timing, fence }: { timing: Timing; fence: Generation }): Promise<void> {
    const { limits, messageBytesMax, ...options } = this.options;
    const links = new ReplicaLinks({
      transport,
      messageBytesMax,
      report: (problem) => options.log.warn(problem),
    });
    const host = await ReplicaHost.open({ ...options, network: links, timing, fence });
    const { storage } = options;
    const partitions = new ReplicatedPartitions(host, { storage, limits, wallNowMs: Date.now });
    this.opened = { host, links, partitions };
    if (this.newest !== undefined) this.adopt(this.newest.map, this.newest.book);
    if (this.isStarted) host.start();
  }

  /** Peers can reach this worker: from here on replicas are told the time. */
  start(): void {
    this.isStarted = true;
    this.opened?.host.start();
  }

  /** Takes up a newer map. */
  adopt(map: ClusterMap, book: AddressBook): void {
    this.newest = { map, book };
    // First, so that what a birth has to say finds its way.
    this.opened?.links.follow(book);
    this.opened?.partitions.adopt(map);
  }

  /** The partition, if a replica of this worker leads it. Whether it may serve at this moment it says itself. */
  primary(partition: PartitionId): ReplicatedPartition | undefined {
    return this.opened?.partitions.primary(partition);
  }

  /** The partition, if this worker has a replica of it in whatever role. */
  replica(partition: PartitionId): ReplicatedPartition | undefined {
    return this.opened?.partitions.replica(partition);
  }

  /** All that a replica of this worker leads. */
  primaries(): readonly ReplicatedPartition[] {
    return this.opened?.partitions.primaries() ?? [];
  }

  /** All that this worker has a replica of. */
  replicas(): readonly ReplicatedPartition[] {
    return this.opened?.partitions.replicas() ?? [];
  }

  /** The newest that is known here. */
  configurationOf(partition: PartitionId): Configuration | undefined {
    return this.opened?.partitions.configurationOf(partition);
  }

  /** Everything that is here, for people and metrics. */
  hosted(): readonly HostedReplica[] {
    return this.opened?.host.hosted() ?? [];
  }

  /** The newest configuration known of each replica, for the master. */
  installed(): PartitionConfiguration[] {
    return this.hosted().flatMap(({ partition, configuration }) =>
      configuration === undefined ? [] : [{ partition, configuration }],
    );
  }

  /** Refuses configurations of older generations from now on. REQUIRES: `gen` is durable in the store's header. */
  raiseFence(gen: Generation): void {
    this.opened?.host.raiseFence(gen);
  }

  /** As `ReplicaHost.shutDown`. */
  async shutDown(): Promise<boolean> {
    return (await this.opened?.host.shutDown()) ?? true;
  }

  close(): void {
    this.opened?.host.close();
  }
}
