import { expect, it } from '@jest/globals';
import { Metrics } from '@diststore/http';

import { registerMasterMetrics } from './master-metrics.js';
import type { MovesView } from './reconcile/reconciler.js';
import type { WorkerView } from './registry/worker-registry.js';

it('the metrics of a master say how far the moves are, and who is there', async () => {
  let moves: MovesView = {
    ...{ partitionsInMotion: 2, limit: 8, replicasToGo: 5, replicasDone: 1 },
    ...{ keys: null, bytes: null, estimateMs: null },
  };
  const workers = ['serving', 'serving', 'silent'].map((state) => ({ state }) as WorkerView);
  const metrics = new Metrics({ name: 'test', version: '0' });
  registerMasterMetrics(metrics.registry, {
    moves: { view: () => moves },
    workers: { views: () => workers },
  });
  for (const sample of [
    'diststore_moves_partitions 2',
    'diststore_moves_replicas_left 5',
    'diststore_moves_bytes_left 0',
    'diststore_moves_replicas_total 1',
    'diststore_workers{state="serving"} 2',
    'diststore_workers{state="silent"} 1',
    'diststore_workers{state="draining"} 0',
  ])
    expect(await metrics.text()).toContain(`${sample}\n`);
  moves = { ...moves, replicasToGo: 2, replicasDone: 4, bytes: 1000 };
  const text = await metrics.text();
  expect(text).toContain('diststore_moves_bytes_left 1000\n');
  expect(text).toContain('diststore_moves_replicas_total 4\n');
});
