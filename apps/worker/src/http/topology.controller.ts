/** What this worker knows of the cluster, which may be a moment old, and where a key is. */
import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { ClusterDescription, PartitionDescription, WorkerDescription } from '@diststore/cluster';
import {
  describeCluster,
  describePartition,
  describePartitions,
  describeWorkers,
  slotOf,
} from '@diststore/cluster';

import { MapFollower } from '../cluster/map-follower.js';
import type { Keyspace } from '../data/keyspace.js';
import { KEYSPACE } from '../worker.tokens.js';
import { Described } from './openapi/described.js';
import { KEY } from './openapi/parameters.js';

@Controller('v1')
export class TopologyController {
  constructor(
    @Inject(MapFollower) private readonly follower: MapFollower,
    @Inject(KEYSPACE) private readonly keyspace: Keyspace,
  ) {}

  @Get('cluster')
  @Described({
    tag: 'cluster',
    summary: 'The cluster as this worker knows it',
    answers: { 200: 'Settings and totals.' },
  })
  cluster(): ClusterDescription {
    return describeCluster(this.follower.required());
  }

  @Get('workers')
  @Described({
    tag: 'cluster',
    summary: 'All workers as this worker knows them',
    answers: { 200: 'One entry for each.' },
  })
  workers(): WorkerDescription[] {
    return describeWorkers(this.follower.required());
  }

  @Get('partitions')
  @Described({
    tag: 'cluster',
    summary: 'All partitions as this worker knows them',
    answers: { 200: 'One entry for each.' },
  })
  partitions(): PartitionDescription[] {
    return describePartitions(this.follower.required());
  }

  /** Where the key is, and what is stored under it, without the value. */
  @Get('explain/*key')
  @Described({
    tag: 'cluster',
    summary: 'Where a key is, and what is stored under it, without the value',
    answers: { 200: 'Slot, partition, holders, version, size, expiry.' },
    parameters: [KEY],
  })
  async explain(@Param('key') text: string): Promise<object> {
    const key = Buffer.from(text);
    const { record, holders } = await this.keyspace.get(key);
    const map = this.follower.required();
    return {
      key: text,
      slot: map.settings.placement === 'hashed' ? slotOf(key) : null,
      ...describePartition(map, holders.partition),
      stored: record !== undefined,
      version: record?.version ?? null,
      valueBytes: record?.payload.length ?? null,
      contentType: record?.contentType ?? null,
      expireAtMs: record === undefined || record.expireAtMs === 0 ? null : record.expireAtMs,
    };
  }
}
