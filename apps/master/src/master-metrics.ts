/** What the master does, as metrics: who is there, and how far the moving of replicas is. */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

import type { MovesView } from './reconcile/reconciler.js';
import type { WorkerView } from './registry/worker-registry.js';

const WORKER_STATES = ['unheard', 'starting', 'serving', 'draining', 'silent'] as const;

export interface MasterMetricsSources {
  readonly moves: { view(): MovesView };
  readonly workers: { views(): readonly WorkerView[] };
}

/** Adds them to what /metrics shows. */
export function registerMasterMetrics(registry: Registry, { moves, workers }: MasterMetricsSources): void {
  const registers = [registry];
  new Gauge({
    name: 'diststore_workers',
    help: 'Workers of the cluster, by state.',
    labelNames: ['state'],
    registers,
    collect(): void {
      const states = workers.views().map(({ state }) => state);
      for (const state of WORKER_STATES) this.set({ state }, states.filter((each) => each === state).length);
    },
  });
  new Gauge({
    name: 'diststore_moves_partitions',
    help: 'Partitions that are in motion at this moment.',
    registers,
    collect(): void {
      this.set(moves.view().partitionsInMotion);
    },
  });
  new Gauge({
    name: 'diststore_moves_replicas_left',
    help: 'Replicas to copy, those included that wait for their turn.',
    registers,
    collect(): void {
      this.set(moves.view().replicasToGo);
    },
  });
  new Gauge({
    name: 'diststore_moves_bytes_left',
    help: 'About what these replicas hold, by the mean of all partitions; 0 while that is not known.',
    registers,
    collect(): void {
      this.set(moves.view().bytes ?? 0);
    },
  });
  new Counter({
    name: 'diststore_moves_replicas_total',
    help: 'Replicas that were copied to where they should be.',
    registers,
    collect(): void {
      this.reset();
      this.inc(moves.view().replicasDone);
    },
  });
}
