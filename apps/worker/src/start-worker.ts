/** Starts a worker, and says in which order it stops: master and map, HTTP, peers, sweeper, free-space watch, storage. */
import { type DirectAdapter, Metrics, Readiness } from '@diststore/http';
import { createApplication, listen, type Program } from '@diststore/process';
import { FreeSpace, STORAGE, type Storage } from '@diststore/storage';

import { UPGRADE_PROTOCOL } from '@diststore/transport';

import { MapFollower } from './cluster/map-follower.js';
import type { Keyspace } from './data/keyspace.js';
import { StorageMetrics } from './data/storage-metrics.js';
import { Sweeper } from './data/sweeper.js';
import type { MasterLink } from './membership/master-link.js';
import { Peers } from './routing/peers.js';
import type { WorkerIdentity } from './worker-identity.js';
import { WorkerModule } from './worker.module.js';
import type { WorkerConfig } from './worker.options.js';
import { KEYSPACE, MASTER_LINK, WORKER_IDENTITY } from './worker.tokens.js';

/** Answers to peers under way are given so long to leave. */
const PEERS_CLOSE_MS = 2000;

/** @throws StoreError when the store or the port cannot be had. */
export async function startWorker(program: Program<WorkerConfig>): Promise<void> {
  const { config, lifecycle, logger } = program;
  const metrics = new StorageMetrics((error) => lifecycle.fatal(error));
  const app = await createApplication(WorkerModule.forRoot(program, metrics), program);

  const storage = app.get<Storage>(STORAGE, { strict: false });
  lifecycle.onStop('storage', () => storage.close());
  const freeSpace = app.get<FreeSpace | undefined>(FreeSpace);
  if (freeSpace !== undefined) lifecycle.onStop('free-space watch', () => freeSpace.close());
  metrics.register(app.get(Metrics, { strict: false }).registry, app.get<Keyspace>(KEYSPACE));
  const readiness = app.get(Readiness, { strict: false });
  readiness.add('storage', () => undefined);
  readiness.add('cluster-map', () =>
    app.get(MapFollower).current === undefined ? 'nothing heard from the master yet' : undefined,
  );

  const sweeper = app.get(Sweeper);
  sweeper.start();
  lifecycle.onStop('sweeper', () => sweeper.stop());

  const peers = app.get(Peers);
  lifecycle.onStop('peers', () => peers.close(PEERS_CLOSE_MS));

  await listen(app, config.httpPort, program);
  const { guard } = app.getHttpAdapter() as unknown as DirectAdapter;
  guard.onUpgrade(UPGRADE_PROTOCOL, peers.upgrade);
  const { index, url } = app.get<WorkerIdentity>(WORKER_IDENTITY);
  logger.log(`Worker ${index} serves at ${url}`);

  const master = app.get<MasterLink | undefined>(MASTER_LINK);
  if (master === undefined) return;
  const follower = app.get(MapFollower);
  follower.start();
  lifecycle.onStop('map follower', () => follower.stop());
  master.start();
  lifecycle.onStop('line to the master', () => master.stop());
}
