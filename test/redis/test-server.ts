/** A Redis port over a keyspace in memory, for tests. */
import type { ClusterMap, PartitionId } from '@diststore/cluster';
import { workerIndex } from '@diststore/cluster';
import { systemClock } from '@diststore/process';

import { RedisServer, type RedisServerOptions } from '../../apps/worker/src/redis/redis-server.js';
import { MemoryKeyspace } from './memory-keyspace.js';
import { testMap } from './test-map.js';

export interface TestServer {
  readonly redis: RedisServer;
  readonly keyspace: MemoryKeyspace;
  readonly warnings: string[];
  readonly fatal: unknown[];
}

export async function startTestServer(
  options: Partial<RedisServerOptions> & {
    map?: ClusterMap;
    remoteWorkers?: boolean;
    hasReplica?: (partition: PartitionId) => boolean;
  } = {},
): Promise<TestServer> {
  const { map = testMap(), remoteWorkers = false, hasReplica, ...rest } = options;
  const maxValueBytes = rest.maxValueBytes ?? 16 * 1024 * 1024;
  const keyspace = new MemoryKeyspace(map, {
    maxValueBytes,
    isElsewhere: (partition) => remoteWorkers && map.primaryOf(partition)?.worker !== 1,
    ...(hasReplica === undefined ? {} : { hasReplica }),
  });
  const warnings: string[] = [];
  const fatal: unknown[] = [];
  const redis = await RedisServer.listen({
    mode: 'gateway',
    host: '127.0.0.1',
    port: 0,
    keyspace,
    cluster: { self: workerIndex(1), map },
    maxValueBytes,
    clock: systemClock,
    log: { log: () => undefined, warn: (line) => warnings.push(line), error: (line) => warnings.push(line) },
    fatal: (error) => fatal.push(error),
    ...rest,
  });
  return { redis, keyspace, warnings, fatal };
}
