/** Starts a worker, and says in which order it stops: line to the master, HTTP, sweeper, free-space watch, storage. */
import { Metrics, Readiness } from '@diststore/http';
import { createApplication, listen, type Program } from '@diststore/process';
import { FreeSpace, STORAGE, type Storage } from '@diststore/storage';

import type { Keyspace } from './data/keyspace.js';
import { StorageMetrics } from './data/storage-metrics.js';
import { Sweeper } from './data/sweeper.js';
import type { MasterLink } from './membership/master-link.js';
import type { WorkerIdentity } from './worker-identity.js';
import { WorkerModule } from './worker.module.js';
import type { WorkerConfig } from './worker.options.js';
import { KEYSPACE, MASTER_LINK, WORKER_IDENTITY } from './worker.tokens.js';

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
  app.get(Readiness, { strict: false }).add('storage', () => undefined);

  const sweeper = app.get(Sweeper);
  sweeper.start();
  lifecycle.onStop('sweeper', () => sweeper.stop());

  await listen(app, config.httpPort, program);
  const { index, url } = app.get<WorkerIdentity>(WORKER_IDENTITY);
  logger.log(`Worker ${index} serves at ${url}`);

  const master = app.get<MasterLink>(MASTER_LINK);
  master.start();
  lifecycle.onStop('line to the master', () => master.stop());
}
