/** One run of real faults on a real cluster: load, harm, calm, and then the verdict on what the clients were told. */
import { performance } from 'node:perf_hooks';

import { SeededRandom } from '../simulation/random.js';
import type { Sandbox } from '../sandbox.js';
import { ChaosCluster } from './chaos-cluster.js';
import { History, type Violation } from './history.js';
import { type Fault, FAULTS, Nemesis } from './nemesis.js';
import { Workload } from './workload.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly workers: number;
  readonly replicas: number;
  readonly partitions: number;
  readonly faults: readonly Fault[];
  readonly masterFlags: readonly string[];
  /** Told what happens, line by line. */
  readonly log: (line: string) => void;
}

export interface ChaosReport {
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly faults: ReadonlyMap<Fault, number>;
  /** How long after the last fault the cluster was in full service again. */
  readonly recoveredAfterMs: number;
}

const CLIENTS = 16;
const KEYS = 24;
const PAUSE_MS = 5;
const REQUEST_TIMEOUT_MS = 3000;
const CALM_MS_MAX = 3000;
const FAULT_MS_MAX = 6000;
const PROGRESS_EVERY_MS = 10_000;

/** What a cluster with so many copies survives without losing data. */
export function faultsFor({ replicas, proxied }: { replicas: number; proxied: boolean }): Fault[] {
  return FAULTS.filter((fault) => {
    if (fault === 'wipe') return replicas > 1;
    return proxied || !fault.startsWith('cut-');
  });
}

/** @throws Error when the cluster does not start, or not come back after the faults. */
export async function runChaos(sandbox: Sandbox, options: ChaosOptions): Promise<ChaosReport> {
  const { seed, durationMs, workers, replicas, partitions, faults, masterFlags, log } = options;
  const proxied = faults.some((fault) => fault.startsWith('cut-'));
  const cluster = await ChaosCluster.start(sandbox, { workers, replicas, partitions, masterFlags, proxied });
  const history = new History();
  const startMs = performance.now();
  const nowMs = (): number => performance.now() - startMs;
  const workload = new Workload({
    history,
    random: new SeededRandom(seed),
    endpoints: cluster.nodes().map(({ index, http }) => ({ worker: index, http })),
    clients: CLIENTS,
    keys: KEYS,
    pauseMs: PAUSE_MS,
    timeoutMs: REQUEST_TIMEOUT_MS,
    nowMs,
  });
  const nemesis = new Nemesis({
    cluster,
    random: new SeededRandom(seed + 1),
    faults,
    calmMsMax: CALM_MS_MAX,
    faultMsMax: FAULT_MS_MAX,
    log: (line) => log(`${seconds(nowMs())} ${line}`),
  });
  const progress = setInterval(() => {
    log(
      `${seconds(nowMs())} ${history.operations} operations, ${history.acknowledgedWrites} writes acknowledged`,
    );
  }, PROGRESS_EVERY_MS);
  const load = workload.run();
  try {
    await nemesis.run(AbortSignal.timeout(durationMs));
    const calmFromMs = nowMs();
    await cluster.untilFullService();
    const recoveredAfterMs = nowMs() - calmFromMs;
    workload.stop();
    await load;
    await workload.readBack();
    return { history, violations: history.violations(), faults: nemesis.done, recoveredAfterMs };
  } finally {
    clearInterval(progress);
    workload.stop();
    await load;
    await cluster.close();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(7)} s `;
}
