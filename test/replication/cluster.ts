/** A cluster as its master tells of it, for tests of replication. */
import type { App, HttpClient, Sandbox } from '@diststore/testing';

import { clusterOf, type WorkerView } from '../e2e/cluster-views.js';

export interface Moves {
  readonly partitionsInMotion: number;
  readonly replicasToGo: number;
  readonly keys: number | null;
  readonly bytes: number | null;
  readonly estimateMs: number | null;
}

export interface PartitionView {
  readonly partition: number;
  readonly primary: number | null;
  readonly replicas: readonly number[] | null;
}

export async function movesOf(master: App): Promise<Moves> {
  return ((await master.http.get('/v1/cluster')).json() as { moves: Moves }).moves;
}

export async function partitionsOf(master: App): Promise<PartitionView[]> {
  return (await master.http.get('/v1/partitions')).json() as PartitionView[];
}

export async function workersOf(master: App): Promise<readonly WorkerView[]> {
  return (await clusterOf(master)).workers;
}

/** Workers that the master starts and looks after. */
export async function createWorkers(
  sandbox: Sandbox,
  master: App,
  indices: readonly number[],
): Promise<{ index: number; http: HttpClient }[]> {
  const workers: { index: number; http: HttpClient }[] = [];
  for (const index of indices) {
    const answer = await master.http.get(`/worker/${index}`);
    if (answer.status !== 201) throw new Error(`Worker ${index}: ${answer.status} ${answer.text}`);
    workers.push({ index, http: sandbox.client((answer.json() as WorkerView).urls.http) });
  }
  return workers;
}

/** Masters that notice soon who is gone. */
export const NOTICING_SOON = ['--timing=fast', '--heartbeat-ms=200', '--silent-after-ms=1500'];

/** A master, and three workers that are no children of it, each with every partition. */
export async function startThree(
  sandbox: Sandbox,
  { masterFlags, workerFlags }: { readonly masterFlags: string[]; readonly workerFlags: string[] },
): Promise<{ master: App; workers: App[] }> {
  const master = await sandbox.startMaster({
    flags: [...NOTICING_SOON, '--bootstrap-expect=3', ...masterFlags],
  });
  const workers = await Promise.all(
    [1, 2, 3].map((index) => sandbox.startWorker({ index, masterUrl: master.url, flags: workerFlags })),
  );
  await untilWhole(sandbox, master, 3);
  return { master, workers };
}

/** Until every partition has so many replicas in sync, and a primary that is up. */
export async function untilWhole(sandbox: Sandbox, master: App, replicas: number): Promise<void> {
  await sandbox.eventually(`every partition has ${replicas} replicas in sync`, async () => {
    const { health } = (await master.http.get('/v1/cluster')).json() as { health: { unserved: number } };
    const partitions = await partitionsOf(master);
    return health.unserved === 0 && partitions.every((each) => each.replicas?.length === replicas);
  });
}

/** Puts `filled-0`, `filled-1`, …; each value begins with its number. */
export async function fill(
  http: HttpClient,
  { keys, valueBytes = 0 }: { readonly keys: number; readonly valueBytes?: number },
): Promise<void> {
  for (let i = 0; i < keys; i += 1) {
    const { status, text } = await http.put(`/v1/kv/filled-${i}`, `${i} `.padEnd(valueBytes, 'x'));
    if (status !== 201) throw new Error(`filled-${i}: ${status} ${text}`);
  }
}

/** @throws Error when there is none, which a test is not to go on with. */
export function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('It should be there.');
  return value;
}
