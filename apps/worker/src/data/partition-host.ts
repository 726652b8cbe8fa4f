/**
 * The partitions that this worker holds. A partition is opened when a map names this very store as its primary, and
 * from then on by what is durable here: the configuration in which the replica is installed. So a worker that starts
 * while the master is away serves what it held.
 *
 * Invariant: a replica is installed once per incarnation. A configuration that names this store under another
 * incarnation than the installed one is about a replica that no longer exists, and opens nothing.
 */
import type { Clock } from '@diststore/base';
import type { ClusterMap, Configuration, Member, PartitionId, StoreId, WorkerIndex } from '@diststore/cluster';
import { decodeConfiguration, encodeConfiguration, isNewer, partitionId, sameMember } from '@diststore/cluster';
import type { Log } from '@diststore/process';
import type { Storage } from '@diststore/storage';
import { after, INSTALLED_RANGE, installedKey, openJson, partitionOfRow, sealJson } from '@diststore/storage';

import { Partition } from './partition.js';

interface Replica {
  readonly member: Member;
  readonly configuration: Configuration;
  readonly partition: Partition;
}

export class PartitionHost {
  private readonly replicas = new Map<PartitionId, Replica>();

  private constructor(
    private readonly storage: Storage,
    private readonly self: { readonly worker: WorkerIndex; readonly store: StoreId },
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Opens every partition that is installed. @throws StoreError store-corrupt, store-format */
  static async open(
    storage: Storage,
    self: { readonly worker: WorkerIndex; readonly store: StoreId },
    clock: Clock,
    log: Log,
  ): Promise<PartitionHost> {
    const host = new PartitionHost(storage, self, clock, log);
    let range = INSTALLED_RANGE;
    for (;;) {
      const page = await storage.page(range);
      for (const { key, value } of page.entries) {
        await host.openReplica(partitionId(partitionOfRow(key)), decodeConfiguration(openJson(key, value)));
      }
      const last = page.entries.at(-1)?.key;
      if (page.done || last === undefined) return host;
      range = { gte: after(last), lt: INSTALLED_RANGE.lt };
    }
  }

  /** The partition, if this worker is its primary. */
  primary(partition: PartitionId): Partition | undefined {
    const replica = this.replicas.get(partition);
    return replica !== undefined && sameMember(replica.configuration.primary, replica.member) ? replica.partition : undefined;
  }

  /** The configuration that is installed here, if the partition is. */
  configurationOf(partition: PartitionId): Configuration | undefined {
    return this.replicas.get(partition)?.configuration;
  }

  /** All partitions that this worker is primary of. */
  primaries(): Partition[] {
    return [...this.replicas.values()]
      .filter(({ configuration, member }) => sameMember(configuration.primary, member))
      .map(({ partition }) => partition);
  }

  /** Installs what the map gives to this worker. Durable when it resolves. */
  async adopt(map: ClusterMap): Promise<void> {
    for (const { partition, configuration } of map.partitionRecords()) {
      if (configuration !== null) await this.follow(partition, configuration);
    }
  }

  private async follow(partition: PartitionId, configuration: Configuration): Promise<void> {
    const replica = this.replicas.get(partition);
    if (replica !== undefined) {
      if (!isNewer(configuration, replica.configuration)) return;
      await this.install(partition, configuration);
      this.replicas.set(partition, { ...replica, configuration });
    } else if (this.memberIn(configuration) !== undefined) {
      await this.install(partition, configuration);
      await this.openReplica(partition, configuration);
    }
  }

  private async install(partition: PartitionId, configuration: Configuration): Promise<void> {
    const key = installedKey(partition);
    await this.storage.write([{ type: 'put', key, value: sealJson(key, encodeConfiguration(configuration)) }]);
  }

  private async openReplica(partition: PartitionId, configuration: Configuration): Promise<void> {
    const member = this.memberIn(configuration);
    if (member === undefined) {
      this.log.warn(`Partition ${partition} is installed here, but in no configuration that names this store`);
      return;
    }
    const opened = await Partition.open(this.storage, partition, this.clock);
    this.replicas.set(partition, { member, configuration, partition: opened });
  }

  private memberIn({ insync }: Configuration): Member | undefined {
    return insync.find(({ worker, store }) => worker === this.self.worker && store === this.self.store);
  }
}
