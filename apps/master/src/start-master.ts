/** Starts the master, and says in which order it stops: supervisor, HTTP, reconciler, storage. */
import { Metrics, Readiness } from '@diststore/http';
import { createApplication, listen, Periodic, type Program, urlOf } from '@diststore/process';
import { STORAGE, type Storage } from '@diststore/storage';

import { clusterTable } from './cluster-table.js';
import { registerMasterMetrics } from './master-metrics.js';
import { MasterModule } from './master.module.js';
import type { MasterConfig } from './master.options.js';
import type { ClusterState } from './cluster/cluster-state.js';
import type { MetadataStore } from '@diststore/metadata';
import { CLUSTER_STATE, METADATA_STORE, RECONCILER, REGISTRY, SUPERVISOR } from './master.tokens.js';
import type { Reconciler } from './reconcile/reconciler.js';
import type { WorkerRegistry } from './registry/worker-registry.js';
import type { Supervisor } from './supervisor/supervisor.js';

/**
 * Resolves when the master serves and the workers that it was told to start have come up, or have not.
 * @throws StoreError when the store or the port cannot be had.
 */
export async function startMaster(program: Program<MasterConfig>): Promise<void> {
  const { config, lifecycle, logger } = program;
  const app = await createApplication(MasterModule.forRoot(program), program);
  const storage = app.get<Storage>(STORAGE, { strict: false });
  lifecycle.onStop('storage', () => storage.close());
  const store = app.get<MetadataStore>(METADATA_STORE);
  lifecycle.onStop('metadata store', () => store.close());
  const state = app.get<ClusterState>(CLUSTER_STATE);
  lifecycle.onStop('cluster state', () => state.close());
  const reconciler = app.get<Reconciler>(RECONCILER);
  lifecycle.onStop('reconciler', () => reconciler.stop());
  app.get(Readiness, { strict: false }).add('storage', () => undefined);
  const registry = app.get<WorkerRegistry>(REGISTRY);
  const metrics = app.get(Metrics, { strict: false });
  registerMasterMetrics(metrics.registry, { moves: reconciler, workers: registry });

  await listen(app, config.httpPort, program);
  // Just before the server drains, which waits for them. Sooner, they would ask again and again.
  lifecycle.onStop('waits for news', () => {
    state.dismiss();
    return Promise.resolve();
  });
  const url = urlOf(config.host, config.httpPort);
  logger.log(`Master serves at ${url}, cluster ${state.map.settings.clusterId}`);

  const presences = new Periodic(() => registry.updatePresences(), {
    name: 'Presence of workers',
    intervalMs: config.heartbeatMs,
    log: logger,
  });
  lifecycle.onStop('presence watch', () => presences.stop());

  // Workers report to the port above, so they come after it, and stop before it closes.
  const supervisor = app.get<Supervisor>(SUPERVISOR);
  lifecycle.onStop('supervisor', () => supervisor.stop({ stopWorkers: config.stopWorkers }));
  await supervisor.resume();
  await createWorkers(supervisor, program);
  if (config.workers === 0) return;
  // The table says what to type, so it comes when that works.
  await state.untilFormed(AbortSignal.timeout(config.workerStartTimeoutMs));
  process.stdout.write(`${clusterTable(url, registry.views())}\n`);
}

/** A worker that does not come up is reported, and the others serve. */
async function createWorkers(
  supervisor: Supervisor,
  { config, logger }: Program<MasterConfig>,
): Promise<void> {
  const indices = Array.from({ length: config.workers }, (_unused, i) => i + 1);
  await Promise.all(
    indices.map((index) =>
      supervisor.create(index).catch((error: unknown) => {
        logger.error(error instanceof Error ? error.message : String(error));
      }),
    ),
  );
}
