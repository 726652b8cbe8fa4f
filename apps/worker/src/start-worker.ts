/**
 * Starts a worker, and says in which order it stops: what others can take over is handed over, then Redis ports, HTTP,
 * sweeper, replicas and peers, free-space watch, storage.
 */
import { workerIndex } from '@diststore/cluster';
import { type DirectAdapter, Metrics, Readiness } from '@diststore/http';
import { createApplication, listen, type Program, systemClock } from '@diststore/process';
import { FreeSpace, STORAGE, type Storage } from '@diststore/storage';

import { UPGRADE_PROTOCOL } from '@diststore/transport';

import { WorkerCluster } from './cluster/worker-cluster.js';
import { StorageMetrics } from './data/storage-metrics.js';
import { redisPlans, startRedis } from './redis/start-redis.js';
import type { ReplicaMetrics } from './replication/replica-metrics.js';
import { ReplicaSweeper } from './replication/replica-sweeper.js';
import type { WorkerIdentity } from './worker-identity.js';
import { WorkerModule } from './worker.module.js';
import type { WorkerConfig } from './worker.options.js';
import { REPLICA_METRICS, WORKER_IDENTITY } from './worker.tokens.js';

/** Commands that were received are answered so long. */
const REDIS_CLOSE_MS = 2000;

/** Answers to peers under way are given so long to leave. */
const PEERS_CLOSE_MS = 2000;

/** @throws StoreError when the store or the port cannot be had. */
export async function startWorker(program: Program<WorkerConfig>): Promise<void> {
  const { config, lifecycle, logger } = program;
  const storageMetrics = new StorageMetrics((error) => lifecycle.fatal(error));
  const app = await createApplication(WorkerModule.forRoot(program, storageMetrics), program);
  const cluster = app.get(WorkerCluster);
  const { follower, keyspace, replicas } = cluster;

  const storage = app.get<Storage>(STORAGE, { strict: false });
  lifecycle.onStop('storage', () => storage.close());
  const freeSpace = app.get<FreeSpace | undefined>(FreeSpace);
  if (freeSpace !== undefined) lifecycle.onStop('free-space watch', () => freeSpace.close());
  const metrics = app.get(Metrics, { strict: false });
  storageMetrics.register(metrics.registry, keyspace);
  app.get<ReplicaMetrics>(REPLICA_METRICS).register(metrics, replicas);
  const readiness = app.get(Readiness, { strict: false });
  readiness.add('storage', () => undefined);
  readiness.add('cluster-map', () => {
    if (follower.current === undefined) return 'nothing heard from the master yet';
    return follower.current.formed || follower.current.settings.placement === 'local'
      ? undefined
      : 'the cluster waits for more workers';
  });

  lifecycle.onStop('cluster', () => cluster.close(PEERS_CLOSE_MS));
  const sweeper = new ReplicaSweeper(replicas, logger, config.sweepIntervalMs);
  sweeper.start();
  lifecycle.onStop('sweeper', () => sweeper.stop());

  await listen(app, config.httpPort, program);
  const { guard } = app.getHttpAdapter() as unknown as DirectAdapter;
  guard.onUpgrade(UPGRADE_PROTOCOL, cluster.network.upgrade);
  const { index, url } = app.get<WorkerIdentity>(WORKER_IDENTITY);
  const redisPorts = await startRedis({
    config,
    plans: redisPlans(config),
    self: workerIndex(index),
    keyspace,
    map: () => follower.current,
    clock: systemClock,
    log: logger,
    fatal: (error) => lifecycle.fatal(error),
  });
  for (const redis of redisPorts) {
    lifecycle.onStop(`Redis port ${redis.port}`, () => redis.close(REDIS_CLOSE_MS));
    logger.log(
      `Redis clients of a ${redis.mode === 'cluster' ? 'cluster' : 'single server'}: port ${redis.port}`,
    );
  }
  logger.log(`Worker ${index} serves at ${url}`);

  cluster.start();
  lifecycle.onStop('membership', () => cluster.leave());
}
