/** What masters and workers say of themselves, as far as tests read it. */
import type { App, HttpClient, Sandbox } from '@diststore/testing';

export interface WorkerView {
  readonly index: number;
  readonly urls: { readonly http: string };
  readonly state: string;
  readonly since: string;
  readonly pid: number;
  readonly storeId: string;
  readonly boot: number;
  readonly supervised: boolean;
  readonly keys: number;
  readonly bytes: number;
}

export interface ClusterView {
  readonly status: string;
  readonly clusterId: string;
  readonly mapVersion: number;
  readonly workers: readonly WorkerView[];
}

/** `GET /worker` of a worker. */
export interface Identity {
  readonly index: number;
  readonly storeId: string;
  readonly boot: number;
  readonly pid: number;
  readonly keys: number;
  readonly master: { readonly state: string; readonly reason?: string };
}

export async function clusterOf(master: App): Promise<ClusterView> {
  return (await master.http.get('/master')).json() as ClusterView;
}

export async function workerOf(master: App, index: number): Promise<WorkerView | undefined> {
  return (await clusterOf(master)).workers.find((worker) => worker.index === index);
}

export async function identityOf(http: HttpClient): Promise<Identity> {
  return (await http.get('/worker')).json() as Identity;
}

export async function untilState(
  sandbox: Sandbox,
  { master, index, state }: { master: App; index: number; state: string },
): Promise<WorkerView> {
  return sandbox.eventually(`worker ${index} is ${state}`, async () => {
    const worker = await workerOf(master, index);
    return worker?.state === state && worker;
  });
}
